/* The chapters. Each runs in a process of its own, which has opened the driver and not called it. */
#pragma once

void attributes(void);   /* what the device, its context and its kinds of memory say of themselves */
void tables(void);       /* cuGetExportTable */
void entry_points(void); /* cuGetProcAddress */
void wrong_uses(void);   /* codes of wrong uses */
