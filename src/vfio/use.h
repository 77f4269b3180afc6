/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks whether a PCI function is in use. use.c collects the device files that the function's
 * driver created (disks, partitions, terminals, cameras, ...); the other two files look for users
 * of them. Each check returns
 *
 *   0        no user was found
 *   -EBUSY   a user was found; the error message names it
 *   another  the check was not possible; the error message gives the reason, and callers refuse
 */
#ifndef VFIO_USE_H
#define VFIO_USE_H

#include "vfio/sysfs.h"

#define USE_NAME_MAX	256
#define USE_DEVICES_MAX 4096 /* limit for one function, above which the check fails */

/* A device file. Its number identifies it: /dev may contain it under other names. */
struct use_device {
	char name[USE_NAME_MAX]; /* name in sysfs */
	bool block;
	u32 major, minor;
};

struct use_list {
	struct use_device *device; /* freed with alloc_free() */
	u32 n, capacity;
};

/* The directory of processes: /proc, or the value of DMAMAP_PROC. */
const char *use_proc(void);

/* Joins two paths as "A/B". False: the result is too long. */
bool use_join(char out[SYSFS_PATH_MAX], const char *a, const char *b);

/* Finds the device with this number. NULL: there is none. */
const struct use_device *use_find(const struct use_list *list, bool block, u32 major, u32 minor);

/*
 * use_disk.c: checks mounts in the mount namespaces of all processes, swap, btrfs, loop devices,
 * and exclusive opens
 */
int use_check_disks(const struct use_list *list);

/* use_program.c: checks for processes that have a device of the list, or a file of VFIO, open */
int use_check_programs(const struct use_list *list, const struct pci_function *f);

#endif
