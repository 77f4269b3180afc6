/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations that the two files of the simulated kernel share. Tests include vfio_rig.h. */
#ifndef TESTS_VFIO_RIG_PRIVATE_H
#define TESTS_VFIO_RIG_PRIVATE_H

#include "vfio_rig.h"

#include <pthread.h>

/* What a descriptor refers to. FD_NOTHING: it was retired, so that only close() succeeds. */
enum rig_kind {
	FD_FREE,
	FD_CONTAINER,
	FD_GROUP,
	FD_DEVICE,
	FD_IOMMUFD,
	FD_CDEV,
	FD_NOTHING,
};

struct rig_state {
	bool has_container, has_iommu; /* the group has a container, and this an IOMMU */
	bool by_iommufd;	       /* the mappings belong to iommufd, not to a container */
	bool bound, attached;	       /* the cdev to an iommufd, and to its address space */
	bool device_open;
	int bound_fd; /* the cdev that is bound */
};

extern pthread_mutex_t rig_lock; /* guards rig, rig_state and the descriptors */
extern struct rig_state rig_state;

/* The callers of these functions hold rig_lock. An invalid descriptor fails the test. */
int rig_fd_new(enum rig_kind k);
enum rig_kind *rig_fd_kind(int fd);
int rig_ioctl_locked(int fd, unsigned long request, void *arg);

#endif
