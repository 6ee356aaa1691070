// What lanes of a warp tell each other: votes, matches, reductions by redux, shuffles of 64 bits and of whole structs, groups of
// lanes that part and meet, and masks that name only some.
// nvcc: -gencode arch=compute_80,code=compute_80
#include "arrays.h"

#include <cooperative_groups.h>

namespace cg = cooperative_groups;

struct Parcel {
    double weight;
    short number;
    char name[5];
};

// A struct goes word by word.
__device__ Parcel handed(Parcel parcel, int from) {
    int words[sizeof(Parcel) / 4];
    memcpy(words, &parcel, sizeof(parcel));
    for (int &word : words) word = __shfl_sync(~0u, word, from);
    memcpy(&parcel, words, sizeof(parcel));
    return parcel;
}

__global__ void votes(const int *values, unsigned *results) {
    int value = values[threadIdx.x], lane = threadIdx.x % 32;
    unsigned *mine = results + threadIdx.x * 16;
    mine[0] = __ballot_sync(~0u, value & 1), mine[1] = __any_sync(~0u, value == 5), mine[2] = __all_sync(~0u, value < 64);
    mine[3] = __match_any_sync(~0u, value % 7), mine[4] = __match_any_sync(~0u, (long long)(value % 3) << 33);
    int all;
    mine[5] = __match_all_sync(~0u, value / 100, &all), mine[6] = all;
    mine[7] = __reduce_add_sync(~0u, value), mine[8] = __reduce_min_sync(~0u, value - 30), mine[9] = __reduce_max_sync(~0u, value);
    mine[10] = __reduce_or_sync(~0u, 1u << value % 32), mine[11] = __reduce_and_sync(~0u, value | 8u);
    mine[12] = __reduce_xor_sync(~0u, (unsigned)value);
    // Even lanes only, then odd lanes only.
    mine[13] = lane % 2 ? __ballot_sync(0xaaaaaaaa, value > 20) : __ballot_sync(0x55555555, value > 20);
    mine[14] = lane < 10 ? __reduce_add_sync(0x3ff, lane) : __reduce_add_sync(~0x3ffu, lane);
    mine[15] = __popc(__activemask()) == 32;
}

__global__ void shuffles(const double *values, double *results, Parcel *parcels) {
    int lane = threadIdx.x;
    double value = values[lane], *mine = results + lane * 6;
    mine[0] = __shfl_sync(~0u, value, lane * 5), mine[1] = __shfl_up_sync(~0u, value, 3, 16);
    mine[2] = __shfl_down_sync(~0u, value, 2, 8), mine[3] = __shfl_xor_sync(~0u, value, 9);
    mine[4] = (double)__shfl_sync(~0u, (long long)(value * 4e9), 31 - lane), mine[5] = __shfl_sync(~0u, value, 3, 4);
    Parcel parcel = {value / 3, (short)(lane * 100), {'p', (char)('a' + lane % 26), 0, 0, 0}};
    parcels[lane] = handed(parcel, (lane + 11) % 32);
}

__global__ void groups(int *results) {
    cg::thread_block_tile<8> tile = cg::tiled_partition<8>(cg::this_thread_block());
    int value = threadIdx.x * 3 % 17, *mine = results + threadIdx.x * 6;
    mine[0] = tile.shfl(value, 2), mine[1] = tile.ballot(value > 8), mine[2] = tile.any(value == 0), mine[3] = tile.meta_group_rank();
    mine[4] = mine[5] = -1;
    if (value % 2) { // whoever is here makes a group
        cg::coalesced_group here = cg::coalesced_threads();
        mine[4] = here.thread_rank(), mine[5] = here.shfl(value, here.size() - 1);
    }
}

static int check_votes() {
    std::vector<int> values(64);
    Random random(23);
    for (int &value : values) value = random.next() % 64;
    auto *device = device_zeroes<unsigned>(64 * 16);
    votes<<<1, 64>>>(to_device(values), device);
    std::vector<unsigned> expected(64 * 16);
    for (int t = 0; t < 64; t++) {
        int *warp = &values[t / 32 * 32], value = values[t], lane = t % 32;
        unsigned *row = &expected[t * 16];
        row[2] = row[6] = row[15] = 1, row[8] = 0x7fffffff, row[11] = ~0u, row[5] = ~0u;
        for (int l = 0; l < 32; l++) {
            unsigned bit = 1u << l;
            row[0] |= warp[l] & 1 ? bit : 0, row[1] |= warp[l] == 5, row[2] &= warp[l] < 64;
            row[3] |= warp[l] % 7 == value % 7 ? bit : 0, row[4] |= warp[l] % 3 == value % 3 ? bit : 0;
            row[7] += warp[l], row[8] = std::min((int)row[8], warp[l] - 30), row[9] = std::max((int)row[9], warp[l]);
            row[10] |= 1u << warp[l] % 32, row[11] &= warp[l] | 8, row[12] ^= warp[l];
            row[13] |= l % 2 == lane % 2 && warp[l] > 20 ? bit : 0, row[14] += (l < 10) == (lane < 10) ? l : 0;
        }
    }
    return differing(expected, to_host(device, 64 * 16));
}

static int check_shuffles() {
    std::vector<double> values(32), expected;
    std::vector<Parcel> parcels(32);
    Random random(24);
    for (double &value : values) value = random.unit();
    for (int l = 0; l < 32; l++) {
        double row[] = {values[l * 5 % 32], values[l % 16 < 3 ? l : l - 3], values[l % 8 > 5 ? l : l + 2], values[l ^ 9],
                        (double)(long long)(values[31 - l] * 4e9), values[l / 4 * 4 + 3]};
        expected.insert(expected.end(), row, row + 6);
    }
    double *device = device_zeroes<double>(32 * 6);
    Parcel *handed = device_zeroes<Parcel>(32);
    shuffles<<<1, 32>>>(to_device(values), device, handed);
    int wrong = differing(expected, to_host(device, 32 * 6));
    parcels = to_host(handed, 32);
    for (int l = 0; l < 32; l++) {
        int from = (l + 11) % 32;
        wrong += parcels[l].weight != values[from] / 3 || parcels[l].number != from * 100 || parcels[l].name[1] != 'a' + from % 26;
    }
    return wrong;
}

static int check_groups() {
    int *device = device_zeroes<int>(64 * 6);
    groups<<<1, 64>>>(device);
    std::vector<int> expected(64 * 6);
    for (int t = 0; t < 64; t++) {
        int *row = &expected[t * 6];
        auto value = [](int t) { return t * 3 % 17; };
        row[0] = value(t / 8 * 8 + 2), row[3] = t / 8, row[4] = row[5] = -1;
        for (int l = 0; l < 8; l++) row[1] |= (value(t / 8 * 8 + l) > 8) << l, row[2] |= value(t / 8 * 8 + l) == 0;
        if (value(t) % 2 == 0) continue;
        row[4] = 0;
        for (int l = t / 32 * 32; l < t / 32 * 32 + 32; l++) {
            if (value(l) % 2) row[4] += l < t, row[5] = value(l);
        }
    }
    return differing(expected, to_host(device, 64 * 6));
}

int main() {
    int voted = check_votes(), shuffled = check_shuffles(), grouped = check_groups();
    LAUNCHED();
    printf("warp_ops: votes %d, shuffles %d, groups %d wrong\n", voted, shuffled, grouped);
    return verdict("warp_ops", voted + shuffled + grouped);
}
