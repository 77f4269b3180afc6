/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Error messages that say why a function cannot be opened and what the user can do. Each function
 * sets the error and returns -errno. `err` is the positive errno of the system call that failed.
 */
#ifndef VFIO_WHY_H
#define VFIO_WHY_H

#include "vfio/sysfs.h"

/*
 * Lists the other functions of the group that belong to drivers of the kernel, as many as fit; ""
 * if there are none.
 */
void pci_group_others(const struct pci_function *f, char *out, size_t size);

/* Checks what sysfs shows, before any system call. 0: nothing prevents opening the function. */
int why_function(const struct pci_function *f);

int why_container(const char *path, int err);
int why_group(const struct pci_function *f, const char *path, int err);
int why_not_viable(const struct pci_function *f);
int why_no_iommu(void);
int why_no_remapping(const struct pci_function *f);
int why_device(const struct pci_function *f, int err);

int why_iommufd(const char *path, int err);
int why_no_cdev(const struct pci_function *f);
int why_cdev(const struct pci_function *f, const char *path, int err);
int why_bind(const struct pci_function *f, int err);
int why_attach(const struct pci_function *f, int err);

/* A mapping that failed: memory that could not be pinned, or another error. */
int why_map(u64 iova, u64 size, int err);

#endif
