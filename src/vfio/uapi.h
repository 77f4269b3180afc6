/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's interfaces. VFIO's come from the system's <linux/vfio.h>. What that header may lack
 * (all of iommufd, and VFIO's character device) is defined here by its published layout, under the
 * project's own names. The kernel reads and writes only as much as argsz or size allows, so nothing
 * here depends on the system on which the library was built.
 */
#ifndef VFIO_UAPI_H
#define VFIO_UAPI_H

#include "base/compiler.h"

#include <linux/ioctl.h>
#include <linux/vfio.h>

/* Requests of the character device /dev/vfio/devices/vfioN. */
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

/* Requests of /dev/iommu. */
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
	u32 n_ranges; /* in: capacity of `ranges`; out: the number of ranges that there are */
	u32 reserved;
	u64 ranges; /* the address of a struct uapi_range[] */
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
	u64 iova, length; /* length: on return the bytes that were unmapped */
};

#endif
