/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of the vfio-user protocol 0.1, as its specification (vfio-user.rst, published with
 * libvfio-user and with QEMU) describes them. All values have the byte order of the host. Every
 * message is a header, a structure that the command determines, and for some commands data.
 *
 * A peer chooses every value of a message. A receiver checks `size` of the header against the
 * structure before it reads the structure, and copies the structure before it checks its fields.
 */
#ifndef VFUSER_PROTO_H
#define VFUSER_PROTO_H

#include "base/compiler.h"

#define VFUSER_MAJOR 0
#define VFUSER_MINOR 1

/* Values that apply to a peer that does not state others in its version message. */
#define VFUSER_FDS_DEFAULT  1u
#define VFUSER_XFER_DEFAULT (1u << 20)
#define VFUSER_MAPS_DEFAULT 65535u

enum vfuser_command {
	VFUSER_VERSION = 1,
	VFUSER_DMA_MAP = 2,
	VFUSER_DMA_UNMAP = 3,
	VFUSER_DEVICE_INFO = 4,
	VFUSER_REGION_INFO = 5,
	VFUSER_REGION_IO_FDS = 6,
	VFUSER_IRQ_INFO = 7,
	VFUSER_SET_IRQS = 8,
	VFUSER_REGION_READ = 9,
	VFUSER_REGION_WRITE = 10,
	VFUSER_DMA_READ = 11,  /* from the server to the client */
	VFUSER_DMA_WRITE = 12, /* from the server to the client */
	VFUSER_RESET = 13,
	VFUSER_WRITE_MULTI = 15,
	VFUSER_FEATURE = 16,
	VFUSER_MIGRATION_READ = 17,
	VFUSER_MIGRATION_WRITE = 18,
	VFUSER_COMMANDS, /* above every command */
};

/* Bits of vfuser_header.flags. */
#define VFUSER_TYPE	0xfu /* one of the next two */
#define VFUSER_REQUEST	0u
#define VFUSER_REPLY	1u
#define VFUSER_NO_REPLY 0x10u /* in a request: the sender does not expect a reply */
#define VFUSER_ERROR	0x20u /* in a reply: the request failed; the reply is a header only */

struct vfuser_header {
	u16 id;	     /* chosen by the sender of the request; the reply has the same id */
	u16 command; /* enum vfuser_command */
	u32 size;    /* of the message with this header */
	u32 flags;
	u32 error; /* with VFUSER_ERROR: a positive errno, or 0 if the sender states none */
};

/* VFUSER_VERSION, request and reply. JSON text with a terminating NUL may follow: version.h. */
struct vfuser_version_head {
	u16 major, minor;
};

/* VFUSER_DMA_MAP. If the memory has a file descriptor, the message carries it. */
#define VFUSER_MAP_READ	 1u
#define VFUSER_MAP_WRITE 2u
struct vfuser_dma_map {
	u32 argsz, flags;
	u64 offset; /* in the file */
	u64 address, size;
};

/* VFUSER_DMA_UNMAP, request and reply. */
#define VFUSER_UNMAP_BITMAP 1u /* a bitmap of the pages that were written is requested */
#define VFUSER_UNMAP_ALL    2u /* every mapping; address and size are 0 */
struct vfuser_dma_unmap {
	u32 argsz, flags;
	u64 address, size;
};

/* VFUSER_DEVICE_INFO, request and reply. */
#define VFUSER_DEVICE_RESET 1u
#define VFUSER_DEVICE_PCI   2u
struct vfuser_device_info {
	u32 argsz, flags;
	u32 regions, irqs;
};

/* Region indexes of a PCI device. */
enum vfuser_region {
	VFUSER_REGION_BAR0 = 0, /* to BAR 5 */
	VFUSER_REGION_ROM = 6,
	VFUSER_REGION_CONFIG = 7,
	VFUSER_REGION_VGA = 8,
	VFUSER_REGIONS = 9,
};

/* VFUSER_REGION_INFO, request and reply. Capabilities may follow in the reply. */
#define VFUSER_REGION_READABLE 1u
#define VFUSER_REGION_WRITABLE 2u
#define VFUSER_REGION_MMAP     4u /* the reply has a file descriptor */
#define VFUSER_REGION_CAPS     8u /* cap_offset is valid */
struct vfuser_region_info {
	u32 argsz, flags;
	u32 index;
	u32 cap_offset; /* from the beginning of this structure */
	u64 size;
	u64 offset; /* of the region in the file of VFUSER_REGION_MMAP */
};

struct vfuser_cap_head {
	u16 id, version;
	u32 next; /* from the beginning of struct vfuser_region_info; 0: the last */
};

/* The parts of a region that can be mapped; `count` areas follow. */
#define VFUSER_CAP_SPARSE 1
struct vfuser_cap_sparse {
	struct vfuser_cap_head head;
	u32 count, reserved;
};

struct vfuser_sparse_area {
	u64 offset, size;
};

/* VFUSER_REGION_IO_FDS, request and reply; `count` descriptions follow in the reply. */
struct vfuser_region_io_fds {
	u32 argsz, flags;
	u32 index, count;
};

/* Interrupt indexes of a PCI device. */
enum vfuser_irq {
	VFUSER_IRQ_INTX = 0,
	VFUSER_IRQ_MSI = 1,
	VFUSER_IRQ_MSIX = 2,
	VFUSER_IRQ_ERR = 3,
	VFUSER_IRQ_REQ = 4,
	VFUSER_IRQS = 5,
};

/* VFUSER_IRQ_INFO, request and reply. */
#define VFUSER_IRQ_EVENTFD  1u
#define VFUSER_IRQ_MASKABLE 2u
#define VFUSER_IRQ_AUTOMASK 4u /* a signal masks the interrupt until the client unmasks it */
#define VFUSER_IRQ_NORESIZE 8u
struct vfuser_irq_info {
	u32 argsz, flags;
	u32 index, count;
};

/* VFUSER_SET_IRQS: one of the first three flags and one of the other three. */
#define VFUSER_SET_NONE	   1u /* for all of the range */
#define VFUSER_SET_BOOL	   2u /* one byte for each follows; for those whose byte is not 0 */
#define VFUSER_SET_EVENTFD 4u /* the message carries the eventfds; none: removes them */
#define VFUSER_SET_DATA	   7u
#define VFUSER_SET_MASK	   8u
#define VFUSER_SET_UNMASK  16u
#define VFUSER_SET_TRIGGER 32u
#define VFUSER_SET_ACTION  56u
struct vfuser_set_irqs {
	u32 argsz, flags;
	u32 index, start, count;
};

/* VFUSER_REGION_READ and VFUSER_REGION_WRITE, request and reply; data may follow. */
struct vfuser_region_access {
	u64 offset;
	u32 region, count;
};

/* VFUSER_DMA_READ and VFUSER_DMA_WRITE, request and reply; data may follow. */
struct vfuser_dma_access {
	u64 address, count;
};

/* The reply to VFUSER_DMA_WRITE has a count of 4 bytes by specification, 8 in libvfio-user. */
#define VFUSER_DMA_WRITE_REPLY_MIN 12u

/* VFUSER_WRITE_MULTI: a u64 with the number of writes, then the writes. The reply is the u64. */
struct vfuser_write_one {
	u64 offset;
	u32 region, count;
	u8 data[8];
};

/* VFUSER_FEATURE. */
#define VFUSER_FEATURE_INDEX 0xffffu
#define VFUSER_FEATURE_GET   (1u << 16)
#define VFUSER_FEATURE_SET   (1u << 17)
#define VFUSER_FEATURE_PROBE (1u << 18)
struct vfuser_feature {
	u32 argsz, flags;
};

_Static_assert(sizeof(struct vfuser_header) == 16 && sizeof(struct vfuser_dma_map) == 32 &&
		       sizeof(struct vfuser_dma_unmap) == 24 &&
		       sizeof(struct vfuser_region_info) == 32 &&
		       sizeof(struct vfuser_set_irqs) == 20 &&
		       sizeof(struct vfuser_region_access) == 16 &&
		       sizeof(struct vfuser_write_one) == 24,
	       "the structures have the layout of the specification");

#endif
