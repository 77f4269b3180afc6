/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An address space in the kernel: a VFIO container of type 1, or an I/O address space of iommufd.
 * What is mapped in it is what the library's page table says; the table remembers the mappings, the
 * kernel carries them. Functions of one IOMMU group share one, with one domain.
 *
 *  operation               | may run at once with
 *  space_map, space_unmap  | each other on different ranges
 *  space_get, space_put    | everything (a lock)
 */
#ifndef VFIO_SPACE_H
#define VFIO_SPACE_H

#include "domain/hw.h"
#include "vfio/sysfs.h"

#include <pthread.h>

#define WINDOWS_MAX 64

struct vfio_space {
	const struct vfio_kernel *kernel;
	struct vfio_space *next; /* of all spaces: under the lock of space.c, with refs */
	u32 refs;
	char group[16];
	char name[32]; /* of the domain */
	int fd;	       /* the container, or /dev/iommu */
	int group_fd;  /* -1: none */
	u32 ioas;
	bool limited; /* `usable` is known */
	u64 offset;   /* the kernel's address = the library's + this */
	struct domain_window
		usable[WINDOWS_MAX]; /* in the kernel's addresses, then in the library's */
	unsigned int n_usable;
	bool counted;		      /* there is a limit of entries */
	u64 left;		      /* atomic: entries that may still be made, at least */
	pthread_mutex_t partial_lock; /* held while a piece is taken apart; nothing else */
	u64 maps, unmaps,
		refused; /* atomic: calls that mapped and unmapped; unmaps that went wrong */
};

/* What the two kinds do differently. Each 0 or a descriptor, or -errno; sentences where it says so.
 */
struct vfio_kernel {
	const char *name;
	int (*open)(struct vfio_space *s, const struct pci_function *f);	/* a sentence */
	int (*open_device)(struct vfio_space *s, const struct pci_function *f); /* a sentence */
	int (*limits)(struct vfio_space *s);					/* a sentence */
	int (*map)(struct vfio_space *s, u64 iova, void *va, u64 size, u64 prot);
	int (*unmap)(struct vfio_space *s, u64 iova, u64 size, u64 *done);
	void (*clear)(struct vfio_space *s);
	u64 (*entries)(struct vfio_space *s); /* that the kernel says are left */
	void (*close)(struct vfio_space *s);
};

extern const struct vfio_kernel vfio_type1, vfio_iommufd;

/* The group's address space, made where there is none; NULL and a sentence. */
struct vfio_space *space_get(const struct vfio_kernel *kernel, const struct pci_function *f);
void space_put(struct vfio_space *s);

/* Reads what the kernel allows, and places RAM in it where `identity`. 0; -errno and a sentence. */
int space_limit(struct vfio_space *s, bool identity);

/* iova is the library's. 0; -errno and a sentence. */
int space_map(struct vfio_space *s, u64 iova, void *va, u64 size, u64 prot);
/* `mapped` bytes of the range are mapped, whole entries. What goes wrong is logged and counted. */
void space_unmap(struct vfio_space *s, u64 iova, u64 size, u64 mapped, u64 entries);
/* Whether `n` more entries can be made. 0; -ENOSPC and a sentence. */
int space_need(struct vfio_space *s, u64 n);

/* Adds a usable range, in order. 0; -E2BIG and a sentence. */
int space_add_window(struct vfio_space *s, u64 first, u64 last);

extern const struct backend_ops backend_vfio; /* backend_space.priv is the struct vfio_space */

#endif
