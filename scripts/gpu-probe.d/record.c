#define _GNU_SOURCE
#include "record.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "batch.h"
#include "driver.h"

static _Thread_local char line[1 << 17];
static _Thread_local size_t length;

static void add(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(line + length, sizeof line - length, format, arguments);
    va_end(arguments);
    if (added > 0 && (size_t)added < sizeof line - length) length += added;
}

static void add_quoted(const char *text) {
    add("\"");
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '"' || *at == '\\') add("\\%c", *at);
        else if (*at < 0x20 || *at > 0x7e) add("\\u%04x", *at);
        else add("%c", *at);
    }
    add("\"");
}

void begin(const char *format, ...) {
    char name[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    length = 0;
    add("{\"name\": ");
    add_quoted(name);
}

static void key(const char *name) {
    add(", ");
    add_quoted(name);
    add(": ");
}

void put_number(const char *name, long long value) { key(name), add("%lld", value); }
void put_real(const char *name, double value) { key(name), add("%.3f", value); }
void put_text(const char *name, const char *value) { key(name), add_quoted(value); }

void put_bytes(const char *name, const void *bytes, unsigned count) {
    key(name);
    add("\"");
    for (unsigned i = 0; i < count; i++) add("%02x", ((const unsigned char *)bytes)[i]);
    add("\"");
}

void put_json(const char *name, const char *format, ...) {
    char value[1 << 16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    key(name), add("%s", value);
}

void put_code(const char *name, unsigned code) {
    if (code == NO_SYMBOL) put_text(name, "no symbol");
    else put_number(name, code);
}

void end(void) {
    add("}\n");
    for (size_t written = 0; written < length;) {
        ssize_t count = write(STDOUT_FILENO, line + written, length - written);
        if (count <= 0) _exit(3);
        written += count;
    }
}

void record_code(const char *name, unsigned code) {
    begin("%s", name);
    put_code("code", code);
    end();
}

const char *place_of(const void *address) {
    static _Thread_local char text[512];
    Dl_info info;
    if (!address) return "null";
    if (!dladdr(address, &info) || !info.dli_fname) return "outside of any module";
    const char *slash = strrchr(info.dli_fname, '/');
    snprintf(text, sizeof text, "%s+0x%lx", slash ? slash + 1 : info.dli_fname,
             (unsigned long)((const char *)address - (const char *)info.dli_fbase));
    return text;
}

bool in_child(const char *name, unsigned limit_ms, void (*body)(void *), void *argument) {
    pid_t child = fork();
    if (child == 0) {
        body(argument);
        _exit(0); /* without the driver's exit handlers: what they do is no part of the case */
    }
    const char *fate = await_child(child, limit_ms, NULL, NULL);
    if (!fate) return true;
    begin("%s", name);
    put_text("code", fate);
    end();
    return false;
}

double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}
