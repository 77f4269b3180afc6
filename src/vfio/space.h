/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An address space in the kernel: a VFIO container of type 1, or an I/O address space of iommufd.
 * The library's page table records the mappings: everything in the table is also mapped in the
 * kernel. Functions of one IOMMU group share one space, which has one domain.
 *
 * operation               | may run at once with
 * space_map, space_unmap  | each other on different ranges
 * space_get, space_put    | everything (a lock)
 */
#ifndef VFIO_SPACE_H
#define VFIO_SPACE_H

#include "domain/hw.h"
#include "vfio/sysfs.h"

#include <pthread.h>

#define WINDOWS_MAX 64

struct vfio_space {
	const struct vfio_kernel *kernel;
	struct vfio_space *next; /* the list of space.c; guarded by its lock, as is refs */
	u32 refs;
	char group[16];
	char name[32]; /* of the domain */
	int fd;	       /* the container's file, or that of /dev/iommu */
	int group_fd;  /* -1: none */
	u32 ioas;
	bool limited; /* `usable` has been read */
	u64 offset;   /* kernel's address = library's address + offset */
	/* In the kernel's addresses until space_limit() converts them to the library's. */
	struct domain_window usable[WINDOWS_MAX];
	unsigned int n_usable;
	bool counted; /* the kernel limits the number of entries */
	u64 left;     /* atomic: lower bound of the entries that may still be created */
	pthread_mutex_t partial_lock; /* serializes partial unmaps; guards nothing else */
	u64 maps, unmaps, refused;    /* atomic: the numbers of calls, and of failed unmaps */
};

/*
 * The operations that differ between the two kinds. Each returns 0 or a descriptor, or -errno.
 * Those marked "message" set an error message.
 */
struct vfio_kernel {
	const char *name;
	int (*open)(struct vfio_space *s, const struct pci_function *f);	/* message */
	int (*open_device)(struct vfio_space *s, const struct pci_function *f); /* message */
	int (*limits)(struct vfio_space *s);					/* message */
	int (*map)(struct vfio_space *s, u64 iova, void *va, u64 size, u64 prot);
	int (*unmap)(struct vfio_space *s, u64 iova, u64 size, u64 *done);
	void (*clear)(struct vfio_space *s);
	u64 (*entries)(struct vfio_space *s); /* the entries that the kernel still accepts */
	void (*close)(struct vfio_space *s);
};

extern const struct vfio_kernel vfio_type1, vfio_iommufd;

/* Returns the group's address space and creates it if there is none. NULL with an error message. */
struct vfio_space *space_get(const struct vfio_kernel *kernel, const struct pci_function *f);
void space_put(struct vfio_space *s);

/*
 * Reads the limits of the kernel. With `identity` it also chooses the place of RAM. 0, or -errno
 * with an error message.
 */
int space_limit(struct vfio_space *s, bool identity);

/* `iova` is the library's address. 0, or -errno with an error message. */
int space_map(struct vfio_space *s, u64 iova, void *va, u64 size, u64 prot);
/*
 * Unmaps the range, of which `mapped` bytes are mapped by entries that are completely in it. A
 * failure is logged and counted.
 */
void space_unmap(struct vfio_space *s, u64 iova, u64 size, u64 mapped, u64 entries);
/* Checks that `n` more entries can be created. 0, or -ENOSPC with an error message. */
int space_need(struct vfio_space *s, u64 n);

/*
 * Adds a usable range; calls must be in ascending order. 0, or -E2BIG or -EPROTO with an error
 * message.
 */
int space_add_window(struct vfio_space *s, u64 first, u64 last);

extern const struct iommu_ops iommu_ops_vfio; /* backend_space.priv is the struct vfio_space */

#endif
