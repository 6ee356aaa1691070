//! Inputs made of others: bits flipped, numbers overwritten, parts cut out, doubled and put together, words of the target's own put in.
//! The same seed gives the same inputs on every machine.

/// An input does not grow beyond this.
const BYTES_MAX: usize = 256 << 10;
/// How many changes one input gets at most.
const CHANGES_MAX: u64 = 6;
/// Numbers at which a reader's arithmetic turns over, besides those near the input's own length.
const TURNING_POINTS: [u64; 16] = [
    0,
    1,
    7,
    16,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// SplitMix64.
pub struct Chance(pub u64);

impl Chance {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.draw() % end.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A new input from one of these, with words of the target's.
pub fn mutated(corpus: &[Vec<u8>], words: &[&[u8]], chance: &mut Chance) -> Vec<u8> {
    let mut input = chance.pick(corpus).clone();
    for _ in 0..=chance.draw() % CHANGES_MAX {
        change(&mut input, corpus, words, chance);
    }
    input.truncate(BYTES_MAX);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&[u8]], chance: &mut Chance) {
    let at = chance.below(input.len() + 1);
    match chance.below(if words.is_empty() { 8 } else { 10 }) {
        0 if at < input.len() => input[at] ^= 1 << chance.below(8),
        1 if at < input.len() => input[at] = chance.draw() as u8,
        0..=3 => number(input, at, chance),
        4 => input.truncate(at),
        5 => {
            let end = (at + 1 + chance.below(64)).min(input.len());
            input.drain(at..end);
        }
        6 => {
            let end = (at + 1 + chance.below(256)).min(input.len());
            let part = input[at..end].to_vec();
            put_in(input, chance, &part);
        }
        7 => {
            let other = chance.pick(corpus);
            let from = chance.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        8 => {
            let word = *chance.pick(words);
            put_in(input, chance, word);
        }
        _ => {
            let word = *chance.pick(words);
            let end = (at + word.len()).min(input.len());
            input.splice(at..end, word.iter().copied());
        }
    }
}

fn put_in(input: &mut Vec<u8>, chance: &mut Chance, part: &[u8]) {
    let at = chance.below(input.len() + 1);
    input.splice(at..at, part.iter().copied());
}

/// Writes a number over what stands there, as a length field might hold it.
fn number(input: &mut [u8], at: usize, chance: &mut Chance) {
    let near =
        |length: usize, chance: &mut Chance| (length as u64).wrapping_add(chance.draw() % 5).wrapping_sub(2);
    let value = match chance.below(3) {
        0 => near(input.len(), chance),
        1 => near(input.len() - at, chance),
        _ => *chance.pick(&TURNING_POINTS),
    };
    let bytes = value.to_le_bytes();
    let width = *chance.pick(&[1, 2, 4, 8]);
    for (to, byte) in input[at..].iter_mut().zip(&bytes[..width]) {
        *to = *byte;
    }
}
