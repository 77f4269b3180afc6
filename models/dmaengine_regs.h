/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers and descriptors of sim:dmaengine; docs/dmaengine.md describes them. */
#ifndef MODELS_DMAENGINE_REGS_H
#define MODELS_DMAENGINE_REGS_H

#include "util.h"

#define DMAENG_CHANNELS	    2u
#define DMAENG_RING_MIN	    2u
#define DMAENG_RING_MAX	    1024u
#define DMAENG_MEMORY_BYTES (1u << 20)
#define DMAENG_REGS_BYTES   0x1000u
#define DMAENG_ID_VALUE	    0x444d4101u

/* BAR 0 */
#define DMAENG_ID	     0x00
#define DMAENG_CAPS	     0x04 /* log2 of the largest ring size; number of channels << 8 */
#define DMAENG_CONTROL	     0x08
#define DMAENG_CONTROL_RESET 1u
#define DMAENG_CONTROL_IRQ   2u
#define DMAENG_CONTROL_BITS  (DMAENG_CONTROL_RESET | DMAENG_CONTROL_IRQ)
#define DMAENG_INT_STATUS    0x0c
#define DMAENG_MEMORY_SIZE   0x10
#define DMAENG_SCRATCH	     0x14

/* registers of channel c, at DMAENG_CHANNEL(c) */
#define DMAENG_CHANNEL(c)    (0x100u + 0x100u * (c))
#define DMAENG_CH_CTRL	     0x00
#define DMAENG_CTRL_RUN	     1u
#define DMAENG_CH_STATUS     0x04
#define DMAENG_CH_INT_ENABLE 0x08
#define DMAENG_CH_RING_SIZE  0x0c
#define DMAENG_CH_RING_LO    0x10
#define DMAENG_CH_RING_HI    0x14
#define DMAENG_CH_HEAD	     0x18
#define DMAENG_CH_TAIL	     0x1c
#define DMAENG_CH_BYTES_LO   0x20
#define DMAENG_CH_BYTES_HI   0x24
#define DMAENG_CH_DONE	     0x28
#define DMAENG_CH_ERROR	     0x2c
#define DMAENG_CH_VECTOR     0x30

#define DMAENG_ST_RUNNING 0x001u
#define DMAENG_ST_IDLE	  0x002u
#define DMAENG_ST_DONE	  0x100u /* this bit and those above it are causes, cleared by writing 1 */
#define DMAENG_ST_BAD	  0x200u
#define DMAENG_ST_FETCH	  0x400u
#define DMAENG_ST_DATA	  0x800u
#define DMAENG_ST_REPORT  0x1000u
#define DMAENG_ST_CAUSES  0x1f00u

/* A descriptor, little endian. The engine writes the last eight bytes in one access. */
struct dmaeng_desc {
	u64 address;
	u32 offset, length;
	u32 flags, reserved;
	u32 status, moved;
};

#define DMAENG_DESC_IRQ	 1u /* flags: raise DONE when this descriptor completes */
#define DMAENG_DESC_DONE (1u << 31)

#endif
