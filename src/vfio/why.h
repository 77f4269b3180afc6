/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a function cannot be opened, and what mends it: the sentences. Each sets the error and
 * returns -errno; `err` is what the system call said, positive.
 */
#ifndef VFIO_WHY_H
#define VFIO_WHY_H

#include "vfio/sysfs.h"

/* The other functions of the group that belong to drivers of the kernel, as far as they fit; "":
 * none. */
void pci_group_others(const struct pci_function *f, char *out, size_t size);

/* Before any call: what sysfs shows. 0: nothing is in the way there. */
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

/* Memory that could not be pinned, and all the rest that mapping can say. */
int why_map(u64 iova, u64 size, int err);

#endif
