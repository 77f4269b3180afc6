/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands between a PCI function and opening it, and giving functions to vfio-pci and back.
 * Below the sysfs of sysfs.h; mounts are those of /proc/self, or below DMAMAP_PROC.
 */
#ifndef VFIO_BIND_H
#define VFIO_BIND_H

#include "vfio/sysfs.h"

/*
 * Checks whether a function is in use. 0: it is not; -EBUSY: a mounted file system, swap, an
 * interface that is up, or a program uses it; another error: this cannot be determined (-EACCES:
 * not by this user). Each failure sets an error message.
 */
int pci_in_use(const struct pci_function *f);

/*
 * 0: it can be opened by vfio: or iommufd:. Else -errno and a sentence; `remedy` has the commands
 * that mend it,
 * "" where no command does.
 */
int pci_obstacle(const struct pci_function *f, char *remedy, size_t size);

/*
 * Gives the function to vfio-pci; or back to whichever driver of the kernel wants it. 0, also where
 * it was so before; else -errno and a sentence, and the function is with whom it was. -EBUSY: it is
 * in use.
 */
int pci_bind(const struct pci_address *address);
int pci_unbind(const struct pci_address *address);

#endif
