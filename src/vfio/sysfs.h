/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions as sysfs shows them (Documentation/ABI/testing/sysfs-bus-pci), below /sys or where
 * the environment's DMAMAP_SYSFS says. Whatever is read there is bounded.
 */
#ifndef VFIO_SYSFS_H
#define VFIO_SYSFS_H

#include "base/compiler.h"

#define SYSFS_PATH_MAX 4096
#define BDF_SIZE       32

struct pci_address {
	char text[BDF_SIZE]; /* 0000:00:03.0 */
};

/* Takes 0000:00:03.0 or 00:03.0. 0; -EINVAL and a sentence. */
int pci_address_parse(struct pci_address *out, const char *text);

/* "ROOT/bus/pci/devices[/address[/leaf]]"; false: too long. */
bool sysfs_path(char out[SYSFS_PATH_MAX], const char *address, const char *leaf);
const char *sysfs_root(void);

/* The last part of what the function's link `leaf` points to; "" when there is none. */
void sysfs_link(const char *address, const char *leaf, char *out, size_t size);

/* The first line of its file, without the newline; false: there is none. */
bool sysfs_text(const char *address, const char *leaf, char *out, size_t size);

struct pci_function {
	struct pci_address address;
	bool there;
	char driver[64], group[16], cdev[32]; /* "": none. cdev: vfioN */
};

void pci_function_read(struct pci_function *f, const struct pci_address *address);

#endif
