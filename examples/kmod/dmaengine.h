/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program and the driver of a DMA engine (docs/dmaengine.md) say to each other. */
#ifndef DMAENGINE_EXAMPLE_H
#define DMAENGINE_EXAMPLE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DMAENG_TO_CARD	 0
#define DMAENG_FROM_CARD 1

/* The buffer that mmap() shows: coherent memory of the driver's. */
#define DMAENG_BUFFER_BYTES (256 * 1024)

struct dmaeng_info {
	__u32 memory_bytes, buffer_bytes;
	__u64 bytes[2]; /* moved by each channel since the last reset */
	__u32 done[2];	/* descriptors */
};

/* Moves [buffer, buffer + length) of the mapped buffer to or from the card's memory at `offset`. */
struct dmaeng_transfer {
	__u32 direction; /* DMAENG_TO_CARD, DMAENG_FROM_CARD */
	__u32 flags;
	__u32 buffer, offset, length;
};

#define DMAENG_ASYNC 1 /* returns at once: poll() or DMAENG_IOC_WAIT say when it has ended */

#define DMAENG_IOC_INFO	    _IOR('D', 1, struct dmaeng_info)
#define DMAENG_IOC_TRANSFER _IOW('D', 2, struct dmaeng_transfer)
#define DMAENG_IOC_WAIT	    _IO('D', 3) /* argument: direction; 0, or -errno of the transfer */
#define DMAENG_IOC_RESET    _IO('D', 4)

#endif
