/* SPDX-License-Identifier: BSD-2-Clause */
/* One open function, as its files share it. */
#ifndef VFIO_PRIVATE_H
#define VFIO_PRIVATE_H

#include "vfio/space.h"

#include <pthread.h>

#define CONFIG_BAR  7 /* DMAMAP_CONFIG, and VFIO's number of that region */
#define REGIONS	    8
#define AREAS_MAX   8 /* of one region that can be mapped */
#define VECTORS_MAX 256

struct area {
	u8 *base;	  /* NULL: not mapped */
	u64 offset, size; /* in the region */
};

struct region {
	u64 size, at; /* 0: there is none; its offset in the device's file */
	bool readable, writable, mappable;
	struct area area[AREAS_MAX];
	unsigned int n_areas;
};

enum irq_kind { IRQ_INTX, IRQ_MSI, IRQ_MSIX, IRQ_ERR, IRQ_REQ }; /* VFIO's numbers */

struct vfio_function {
	struct device *dev;
	struct pci_function pci;
	struct vfio_space *space;
	int fd; /* the device's file */
	bool can_reset;
	struct region region[REGIONS];
	enum irq_kind irq;
	unsigned int vectors;
	bool irq_on;
	bool gone;		    /* atomic: taken away */
	struct vfio_function *next; /* of all open ones, under the lock of fork.c */

	/* watch.c */
	pthread_t watcher;
	bool watched,
		intx_fired; /* intx_fired: atomic, the line is masked until the driver looks */
	int req_fd, err_fd, intx_fd, wake_fd;
};

/* watch.c: the thread that hears the kernel: the device is wanted back, or has an error; a line is
 * raised. */
int watch_start(struct vfio_function *f);
void watch_stop(struct vfio_function *f);

/* fork.c: a child of fork() keeps no descriptor of the function. 0; -EBUSY: it is open here
 * already. */
int fork_add(struct vfio_function *f);
void fork_remove(struct vfio_function *f);

/* pci.c: what the function has, and reaching it. Sentences are set. */
int function_describe(struct vfio_function *f);
int function_map_regions(struct vfio_function *f);
void function_unmap_regions(struct vfio_function *f);
void function_blank_regions(struct vfio_function *f); /* all ones from now on */
int function_reset(struct vfio_function *f);
int function_master(struct vfio_function *f, bool on);
u64 vfio_function_read(struct vfio_function *f, int bar, u64 offset, unsigned int size);
void function_write(struct vfio_function *f, int bar, u64 offset, unsigned int size, u64 value);

/* irq.c */
int irq_describe(struct vfio_function *f, const char *wanted);
int irq_start(struct vfio_function *f, const int *fd, unsigned int n);
void irq_stop(struct vfio_function *f);
/* One eventfd for the kernel's words about the device (IRQ_ERR, IRQ_REQ); fd -1: no more. 0,
 * -errno. */
int irq_set_one(struct vfio_function *f, enum irq_kind kind, int fd);
void irq_unmask_line(struct vfio_function *f);

#endif
