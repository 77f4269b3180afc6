/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads PCI functions from sysfs (Documentation/ABI/testing/sysfs-bus-pci), below /sys or below the
 * path in the environment variable DMAMAP_SYSFS. The size of everything that is read is bounded.
 */
#ifndef VFIO_SYSFS_H
#define VFIO_SYSFS_H

#include "base/compiler.h"

#define SYSFS_PATH_MAX 4096
#define BDF_SIZE       32

struct pci_address {
	char text[BDF_SIZE]; /* 0000:00:03.0 */
};

/* Parses 0000:00:03.0 or 00:03.0. 0, or -EINVAL with an error message. */
int pci_address_parse(struct pci_address *out, const char *text);

/* Builds "ROOT/bus/pci/devices[/address[/leaf]]". False: the path is too long. */
bool sysfs_path(char out[SYSFS_PATH_MAX], const char *address, const char *leaf);
const char *sysfs_root(void);

/* Reads the last component of the target of the function's link `leaf`; "" if there is none. */
void sysfs_link(const char *address, const char *leaf, char *out, size_t size);

/*
 * Reads the first line of the function's file `leaf`, without the newline. False: there is no such
 * file.
 */
bool sysfs_text(const char *address, const char *leaf, char *out, size_t size);

struct pci_function {
	struct pci_address address;
	bool there;
	char driver[64], group[16], cdev[32]; /* "": none. cdev: vfioN */
};

void pci_function_read(struct pci_function *f, const struct pci_address *address);

#endif
