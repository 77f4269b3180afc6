/* SPDX-License-Identifier: BSD-2-Clause */
/* The interface between programs and the driver of a DMA engine (docs/dmaengine.md). */
#ifndef DMAENGINE_EXAMPLE_H
#define DMAENGINE_EXAMPLE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DMAENG_TO_CARD	 0
#define DMAENG_FROM_CARD 1

/* The buffer that mmap() maps: the driver's coherent memory. */
#define DMAENG_BUFFER_BYTES (256 * 1024)

struct dmaeng_info {
	__u32 memory_bytes, buffer_bytes;
	__u64 bytes[2]; /* bytes moved by every channel since the last reset */
	__u32 done[2];	/* completed descriptors of every channel */
};

/* Moves [buffer, buffer + length) of the mapped buffer to or from the card's memory at `offset`. */
struct dmaeng_transfer {
	__u32 direction; /* DMAENG_TO_CARD, DMAENG_FROM_CARD */
	__u32 flags;
	__u32 buffer, offset, length;
};

#define DMAENG_ASYNC 1 /* returns at once: poll() or DMAENG_IOC_WAIT report the end */

#define DMAENG_IOC_INFO	    _IOR('D', 1, struct dmaeng_info)
#define DMAENG_IOC_TRANSFER _IOW('D', 2, struct dmaeng_transfer)
/* argument: direction; returns 0 or the transfer's -errno */
#define DMAENG_IOC_WAIT	 _IO('D', 3)
#define DMAENG_IOC_RESET _IO('D', 4)

#endif
