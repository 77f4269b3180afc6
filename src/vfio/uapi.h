/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's interfaces: VFIO's from the system's <linux/vfio.h>, and what that may lack
 * (everything of iommufd, and VFIO's character device) by their published layouts, under names of
 * our own. The kernel says by argsz or size what it takes, so nothing here depends on the system
 * that the library was built on.
 */
#ifndef VFIO_UAPI_H
#define VFIO_UAPI_H

#include "base/compiler.h"

#include <linux/ioctl.h>
#include <linux/vfio.h>

/* Of the character device /dev/vfio/devices/vfioN. */
#define UAPI_BIND_IOMMUFD _IO(';', 118)
#define UAPI_ATTACH_IOAS  _IO(';', 119)

struct uapi_bind_iommufd {
	u32 argsz, flags;
	s32 iommufd;
	u32 out_devid;
};

struct uapi_attach_ioas {
	u32 argsz, flags;
	u32 ioas;
};

/* Of /dev/iommu. */
#define UAPI_IOAS_ALLOC	 _IO(';', 0x81)
#define UAPI_IOAS_RANGES _IO(';', 0x84)
#define UAPI_IOAS_MAP	 _IO(';', 0x85)
#define UAPI_IOAS_UNMAP	 _IO(';', 0x86)

struct uapi_ioas_alloc {
	u32 size, flags;
	u32 out_ioas;
};

struct uapi_range {
	u64 first, last;
};

struct uapi_ioas_ranges {
	u32 size, ioas;
	u32 n_ranges; /* room; how many there are */
	u32 reserved;
	u64 ranges; /* address of struct uapi_range[] */
	u64 out_alignment;
};

#define UAPI_MAP_FIXED 1u
#define UAPI_MAP_WRITE 2u
#define UAPI_MAP_READ  4u

struct uapi_ioas_map {
	u32 size, flags;
	u32 ioas, reserved;
	u64 user_va, length, iova;
};

struct uapi_ioas_unmap {
	u32 size, ioas;
	u64 iova, length; /* length: what was unmapped comes back */
};

#endif
