/* What cuGetProcAddress answers for every name, version and flag. The symbol that an answer is equal to is found by
 * dlsym; versions that give the same answer are written once, with the first of them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chapters.h"
#include "driver.h"
#include "names.h"
#include "record.h"

enum { SYMBOLS_LIMIT = 4096, VERSIONS_LIMIT = 128, ANSWERS_LIMIT = 1 << 16 };

static struct { const char *name; void *address; } exported[SYMBOLS_LIMIT];
static unsigned exported_count;

static void add_exported(const char *name) {
    void *address = *name ? driver_symbol(name) : NULL;
    if (!address || exported_count == SYMBOLS_LIMIT) return;
    exported[exported_count].name = name;
    exported[exported_count++].address = address;
}

/* The symbol at this address. Several may share it: one that begins with the name asked for goes first. */
static const char *symbol_at(void *address, const char *request) {
    const char *found = NULL;
    size_t length = strlen(request);
    for (unsigned i = 0; i < exported_count; i++) {
        if (exported[i].address != address) continue;
        if (strncmp(exported[i].name, request, length) == 0) return exported[i].name;
        found = exported[i].name;
    }
    return found;
}

static void answer(char *text, size_t size, const char *request, int version, unsigned long long flags) {
    void *function = (void *)1;
    CUdriverProcAddressQueryResult status = 77; /* neither is an answer: what stays was not written */
    CUresult code = CALL(cuGetProcAddress_v2, request, &function, version, flags, &status);
    const char *symbol = symbol_at(function, request);
    if (function == NULL || function == (void *)1)
        snprintf(text, size, "code %u, status %d, %s", code, (int)status, function ? "pointer left" : "null");
    else
        snprintf(text, size, "code %u, status %d, %s", code, (int)status, symbol ? symbol : place_of(function));
}

static void ask(const char *request, const int *versions, unsigned count, unsigned long long flags) {
    static char answers[ANSWERS_LIMIT];
    size_t length = 0;
    char last[512] = "", text[512];
    for (unsigned i = 0; i < count && length < sizeof answers - 1024; i++) {
        answer(text, sizeof text, request, versions[i], flags);
        if (strcmp(text, last) != 0)
            length += snprintf(answers + length, sizeof answers - length, "%s\"%d\": \"%s\"", length ? ", " : "",
                               versions[i], text);
        strcpy(last, text);
    }
    begin("%s/flags %llu", *request ? request : "(empty)", flags);
    put_json("since", "{%s}", answers);
    end();
}

void entry_points(void) {
    const struct name *symbols, *requests, *known;
    unsigned symbol_count = names_of("symbol", &symbols), request_count = names_of("request", &requests);
    unsigned known_count = names_of("version", &known), version_count = 0;
    int versions[VERSIONS_LIMIT], driver_version = 0;

    CALL(cuInit, 0);
    CALL(cuDriverGetVersion, &driver_version);
    versions[version_count++] = -1;
    versions[version_count++] = 0;
    versions[version_count++] = 1;
    for (unsigned i = 0; i < known_count && version_count < VERSIONS_LIMIT - 3; i++)
        if (known[i].number <= driver_version) versions[version_count++] = known[i].number;
    versions[version_count++] = driver_version + 1;
    versions[version_count++] = driver_version + 10;
    versions[version_count++] = 99990;

    for (unsigned i = 0; i < symbol_count; i++) add_exported(symbols[i].text);
    for (unsigned i = 0; i < request_count; i++) add_exported(requests[i].text);
    begin("versions asked");
    put_number("driver", driver_version);
    end();
    for (unsigned i = 0; i < request_count; i++)
        for (unsigned long long flags = 0; flags <= 4; flags++) ask(requests[i].text, versions, version_count, flags);
    for (unsigned i = 0; i < symbol_count; i++) {
        begin("symbol/%s", symbols[i].text);
        put_number("exported", driver_symbol(symbols[i].text) != NULL);
        end();
    }
}
