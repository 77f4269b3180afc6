/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a PCI function is in use. use.c collects the device files that the function's driver made
 * (disks, partitions, terminals, cameras, ...), the other two files look for their users. Each
 * check gives
 *
 *   0        it finds no user
 *   -EBUSY   it found one, which the error message names
 *   another  it cannot decide, and the error message says why; callers refuse
 */
#ifndef VFIO_USE_H
#define VFIO_USE_H

#include "vfio/sysfs.h"

#define USE_NAME_MAX	256
#define USE_DEVICES_MAX 4096 /* of one function; an adapter with more is refused */

/* A device file, by its number: /dev may have it under another name, or under several. */
struct use_device {
	char name[USE_NAME_MAX]; /* as sysfs has it */
	bool block;
	u32 major, minor;
};

struct use_list {
	struct use_device *device; /* alloc_free() it */
	u32 n, room;
};

/* The folder of processes: /proc, or what DMAMAP_PROC names. */
const char *use_proc(void);

/* "A/B"; false: too long. */
bool use_join(char out[SYSFS_PATH_MAX], const char *a, const char *b);

/* One of the list has this number. NULL: none. */
const struct use_device *use_find(const struct use_list *list, bool block, u32 major, u32 minor);

/* use_disk.c: mounts in every mount namespace of a process, swap, btrfs, loop devices, exclusive
 * opens */
int use_check_disks(const struct use_list *list);

/* use_program.c: processes that have a device of the list open, or a file of VFIO's */
int use_check_programs(const struct use_list *list, const struct pci_function *f);

#endif
