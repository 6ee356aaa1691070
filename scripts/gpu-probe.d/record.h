/* What a chapter writes: one JSON object a line, flushed at once, so that a crash loses nothing that came before it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* begin("cuMemAlloc/…"); put_number("code", 1); end(); writes {"name": "cuMemAlloc/…", "code": 1}. */
void begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
void put_number(const char *key, long long value);
void put_real(const char *key, double value);
void put_text(const char *key, const char *value);
void put_bytes(const char *key, const void *bytes, unsigned count);
/* A value that is JSON already. */
void put_json(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A CUresult: its number, or "no symbol". */
void put_code(const char *key, unsigned code);
void end(void);

/* Records one code under one name. */
void record_code(const char *name, unsigned code);

/* Where an address lies: "libcuda.so.1+0x1234". */
const char *place_of(const void *address);

/* Runs body(argument) in a child process of its own. What it records is recorded; if it is killed by a signal or is not
 * done after limit_ms, that is recorded under the name. True if it ended in order. The parent must not have called the
 * driver: a driver that has been used does not survive a fork. */
bool in_child(const char *name, unsigned limit_ms, void (*body)(void *), void *argument);

double now_us(void);
