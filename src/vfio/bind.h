/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks whether a PCI function can be opened, and binds functions to vfio-pci and back. Functions
 * are read from the sysfs of sysfs.h. Mounts are read from /proc/self, or below DMAMAP_PROC.
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
 * 0: the function can be opened by vfio: or iommufd:. Else -errno with an error message, and
 * `remedy` contains the commands that solve the problem, "" if no command does.
 */
int pci_obstacle(const struct pci_function *f, char *remedy, size_t size);

/*
 * Binds the function to vfio-pci, or back to the driver that the kernel chooses. 0, also if it was
 * bound so before. Else -errno with an error message, and the function has its old driver. -EBUSY:
 * it is in use.
 */
int pci_bind(const struct pci_address *address);
int pci_unbind(const struct pci_address *address);

#endif
