/* SPDX-License-Identifier: BSD-2-Clause */
/* One open function: the state that the files of this folder share. */
#ifndef VFIO_PRIVATE_H
#define VFIO_PRIVATE_H

#include "backend/area.h"
#include "vfio/space.h"

#include <pthread.h>

#define CONFIG_BAR  7 /* DMAMAP_CONFIG; also VFIO's number of the configuration region */
#define REGIONS	    8
#define VECTORS_MAX 256

struct vfio_region {
	u64 size, at; /* size 0: there is no such region; `at`: its offset in the device's file */
	bool readable, writable, mappable;
	struct backend_area area[BACKEND_AREAS_MAX];
	unsigned int n_areas;
};

enum irq_kind { IRQ_INTX, IRQ_MSI, IRQ_MSIX, IRQ_ERR, IRQ_REQ }; /* VFIO's numbers */

struct vfio_function {
	struct device *dev;
	struct pci_function pci;
	struct vfio_space *space;
	int fd; /* the device's file */
	bool can_reset;
	struct vfio_region region[REGIONS];
	enum irq_kind irq;
	unsigned int vectors;
	unsigned int vectors_of[IRQ_MSIX + 1]; /* by kind, as the kernel reports */
	unsigned int vectors_most; /* of any kind; the number of the device's eventfds */
	bool irq_on;
	bool gone;		    /* atomic: the kernel took the device back */
	struct vfio_function *next; /* the list of fork.c; guarded by its lock */

	/* watch.c */
	pthread_t watcher;
	bool watched;
	int req_fd, err_fd, intx_fd, wake_fd;
};

/*
 * watch.c: the thread that handles the kernel's notifications: the kernel requests the device back,
 * the bus reports an error, or a line interrupt rises.
 */
int watch_start(struct vfio_function *f);
void watch_stop(struct vfio_function *f);

/*
 * fork.c: the list of open functions, whose descriptors a child of fork() closes. 0; -EBUSY: the
 * function is already open in this process.
 */
int fork_add(struct vfio_function *f);
void fork_remove(struct vfio_function *f);

/* pci.c: describes the function and accesses its registers. Error messages are set. */
int function_describe(struct vfio_function *f);
int function_map_regions(struct vfio_function *f);
void vfio_function_describe_bars(struct vfio_function *f);
/* Returns when all earlier writes have reached the function. */
void vfio_function_flush(struct vfio_function *f);
void function_unmap_regions(struct vfio_function *f);
void function_blank_regions(struct vfio_function *f); /* then all registers read as all ones */
int function_reset(struct vfio_function *f);
int function_master(struct vfio_function *f, bool on);
u64 vfio_function_read(struct vfio_function *f, int bar, u64 offset, unsigned int size);
void function_write(struct vfio_function *f, int bar, u64 offset, unsigned int size, u64 value);

/* irq.c */
int irq_describe(struct vfio_function *f, const char *wanted);
/* Sets up the interrupts that irq_describe() found. 0, -errno. */
int vfio_irq_connect(struct vfio_function *f);
/* See device_ops.irq_setup. */
int vfio_irq_setup(struct vfio_function *f, enum irq_kind kind, unsigned int vectors);
void irq_stop(struct vfio_function *f);
/*
 * Sets the eventfd of one kind of notification (IRQ_ERR, IRQ_REQ); fd -1: removes it. 0, or -errno.
 */
int irq_set_one(struct vfio_function *f, enum irq_kind kind, int fd);
void irq_unmask_line(struct vfio_function *f);

#endif
