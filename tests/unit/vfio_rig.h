/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A simulated kernel with VFIO and iommufd, and one PCI function of it, 0000:00:03.0 in group 7,
 * without hardware. It implements the system calls of the back ends strictly by the rules of the
 * kernel's documentation. There is one address space; each call can be made to fail.
 */
#ifndef TESTS_VFIO_RIG_H
#define TESTS_VFIO_RIG_H

#include "core_rig.h"

#include "vfio/calls.h"
#include "vfio/uapi.h"

#define RIG_MAPS 70000
#define RIG_BAR0 16384u /* registers; the second page cannot be mapped */
#define RIG_BAR2 256u	/* no mapping at all */

struct rig_map {
	u64 iova, size;
	u8 *va;
	bool read, write;
};

struct rig_kernel {
	/* to be set by tests, after rig_start() */
	const char *refused; /* the end of a path that cannot be opened */
	int refuse_err;
	u64 fail_at; /* the n-th ioctl from now fails, once; 0: none */
	int fail_err;
	unsigned long fail_only; /* only ioctls with this request; 0: any */
	bool not_viable, no_type1, no_caps, short_unmap, no_reset;
	u64 limit; /* greatest number of mappings */
	struct {
		u64 first, last;
	} window[8];
	unsigned int windows;
	unsigned int intx, msi, msix, msix_left;

	/* what happened */
	struct rig_map map[RIG_MAPS]; /* in order of creation; the last one replaces one
					 that is removed */
	u64 n_maps, ioctls;
	u64 map_calls, unmap_calls; /* atomic: the thread that flushes unmaps, too */
	u64 resets, hot_resets, unmasks, config_reads;
	unsigned int open; /* number of open descriptors and mapped registers */
	u8 config[256], bar2[RIG_BAR2];
	int vector_fd[64], req_fd, intx_fd, vectors_on;
};

extern struct rig_kernel rig;

void rig_start(void); /* installs this kernel with all calls succeeding; a new sysfs tree */
void rig_end(void);   /* removes it; fails if anything is left open or mapped */

/* Registers as the device sees them. */
u32 rig_bar0_read(u64 offset);
void rig_bar0_write(u64 offset, u32 value);

/* The memory that the device reaches at an address; NULL: none, or not in this direction. */
u8 *rig_device_reach(u64 iova, bool write);

/* Sets a link of the function in the fake sysfs; target "": removes it. */
void rig_sysfs_link(const char *leaf, const char *target);

#endif
