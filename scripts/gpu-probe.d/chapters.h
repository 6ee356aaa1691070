/* The chapters. Each runs in a process of its own, which has opened the driver and not called it. */
#pragma once

void attributes(void);     /* what the devices say of themselves */
void properties(void);     /* what contexts, pools, functions and kinds of memory say of themselves */
void tables(void);         /* cuGetExportTable */
void entry_points(void);   /* cuGetProcAddress */
void wrong_uses(void);     /* codes of wrong uses */
void waits(void);          /* which calls wait for running work */
void virtual_memory(void); /* virtual memory against contexts, processes, pools and graphs */
void capture(void);        /* which calls a capture forbids */
void stream_memory(void);  /* stream memory operations */
void faults(void);         /* what calls return after a kernel has failed */
void costs(void);          /* what calls cost */
