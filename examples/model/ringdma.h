/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers and the descriptor of the example's DMA engine, for its model and its driver. */
#ifndef RINGDMA_H
#define RINGDMA_H

#include <dmamap/types.h>

enum {
	RING_ID = 0x00,	      /* reads as RING_ID_VALUE */
	RING_BASE = 0x08,     /* device address of the descriptors; 8 bytes, write-only */
	RING_SIZE = 0x10,     /* number of descriptors, 0: off; write-only */
	RING_HEAD = 0x14,     /* the next descriptor that the engine processes; read-only */
	RING_TAIL = 0x18,     /* doorbell: the first one that it does not own; write-only */
	RING_STATUS = 0x1c,   /* RING_ERROR; writing 1 clears it and lets the engine continue */
	RING_VECTOR_DONE = 0, /* MSI-X messages */
	RING_VECTOR_ERROR = 1,
};

#define RING_ID_VALUE	0x72696e67u
#define RING_SIZE_MAX	256u
#define RING_LENGTH_MAX (1u << 20)
#define RING_ERROR	1u

/* Flags of a descriptor. A transfer of several descriptors has RING_MORE in all but the last. */
#define RING_MORE 1u

/* Results; the engine writes one into each descriptor that it has processed. */
#define RING_DONE    1u
#define RING_BAD     2u /* its length or its flags are invalid */
#define RING_REFUSED 3u /* the memory is not mapped for the device */

struct ring_desc {
	u64 from, to;	   /* device addresses */
	u32 length, flags; /* bytes, 1 to RING_LENGTH_MAX; RING_MORE */
	u32 result, reserved;
};

#endif
