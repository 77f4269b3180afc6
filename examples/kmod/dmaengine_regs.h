/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers and descriptors of the DMA engine: docs/dmaengine.md. */
#ifndef DMAENGINE_EXAMPLE_REGS_H
#define DMAENGINE_EXAMPLE_REGS_H

#include <linux/bits.h>
#include <linux/types.h>

#define REG_ID		0x00
#define REG_CONTROL	0x08
#define CONTROL_RESET	BIT(0)
#define CONTROL_IRQ	BIT(1)
#define REG_INT_STATUS	0x0c
#define REG_MEMORY_SIZE 0x10
#define REG_CHANNEL(c)	(0x100 + 0x100 * (c))
#define CH_CTRL		0x00
#define CTRL_RUN	BIT(0)
#define CH_STATUS	0x04
#define STATUS_RUNNING	BIT(0)
#define STATUS_DONE	BIT(8)
#define STATUS_ERRORS	GENMASK(12, 9)
#define CH_INT_ENABLE	0x08
#define CH_RING_SIZE	0x0c
#define CH_RING_LO	0x10
#define CH_RING_HI	0x14
#define CH_TAIL		0x1c
#define CH_BYTES_LO	0x20
#define CH_BYTES_HI	0x24
#define CH_DONE		0x28
#define CH_VECTOR	0x30
#define ENGINE_ID	0x444d4101
#define DESC_IRQ	BIT(0)
#define CHANNELS	2

struct dmaeng_desc {
	__le64 address;
	__le32 offset, length, flags, reserved, status, moved;
};

#endif
