/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bus for testing a model alone. All memory is a flat array, and each of its pages has flags that
 * permit the device to read and write it. Interrupts are counted. A model with `step` has a thread.
 */
#ifndef TESTS_FAKE_BUS_H
#define TESTS_FAKE_BUS_H

#include "device/model.h"

#define FAKE_BASE  0x100000ull /* device address of the first byte */
#define FAKE_BYTES (8ull << 20)

#define FAKE_READ  1 /* the device may read the page */
#define FAKE_WRITE 2

extern u8 fake_memory[FAKE_BYTES];
extern int fake_max_segments; /* greatest length of a segment of dmamap_bus_map(); 0: one segment
				 for any range */

struct fake_arg { /* a key and its value, as in a spec */
	const char *key;
	const char *value;
};

/*
 * Create and destroy a model as the library does. Return what create() returns, or -EINVAL for a
 * wrong key.
 */
int fake_create(const struct dmamap_model_ops *ops, const struct fake_arg *args, int n,
		void **model);
void fake_destroy(const struct dmamap_model_ops *ops, void *model);

/* Makes all memory zero and accessible, with no interrupts and no held segments. */
void fake_reset(void);
void fake_allow(u64 addr, u64 len, int rights);
void *fake_at(u64 addr);
u64 fake_held(void); /* calls of dmamap_bus_map() without their dmamap_bus_unmap() */
u64 fake_refused(void);
u64 fake_interrupts(unsigned int vector);
void fake_interrupt_wait(unsigned int vector, u64 count); /* waits until there were that many */

#endif
