/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads links and one-line files of sysfs. A name that does not fit into the caller's buffer is
 * read as "", and a longer line is truncated, so a sysfs with invalid contents cannot overflow
 * anything.
 */
#include "vfio/sysfs.h"
#include "base/error.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pci_address_parse(struct pci_address *out, const char *text)
{
	unsigned int domain = 0, bus, slot, function;
	int end = -1;

	if (sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
	    end < 0 || text[end]) {
		domain = 0;
		end = -1;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 || end < 0 ||
		    text[end])
			end = -1;
	}
	if (end < 0 || slot > 31 || function > 7)
		return error_set(EINVAL,
				 "\"%.40s\" is not a PCI address; write it as 0000:00:03.0 (lspci "
				 "-D and dmamap list show addresses)",
				 text);
	snprintf(out->text, sizeof(out->text), "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return 0;
}

const char *sysfs_root(void)
{
	const char *root = secure_getenv("DMAMAP_SYSFS");

	return root && *root ? root : "/sys";
}

bool sysfs_path(char out[SYSFS_PATH_MAX], const char *address, const char *leaf)
{
	return snprintf(out, SYSFS_PATH_MAX, "%s/bus/pci/devices%s%s%s%s", sysfs_root(),
			address ? "/" : "", address ? address : "", leaf ? "/" : "",
			leaf ? leaf : "") < SYSFS_PATH_MAX;
}

void sysfs_link(const char *address, const char *leaf, char *out, size_t size)
{
	char path[SYSFS_PATH_MAX], target[SYSFS_PATH_MAX];
	const char *name;
	ssize_t n;

	*out = 0;
	if (!sysfs_path(path, address, leaf))
		return;
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = 0;
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (strlen(name) < size)
		memcpy(out, name, strlen(name) + 1);
}

bool sysfs_text(const char *address, const char *leaf, char *out, size_t size)
{
	char path[SYSFS_PATH_MAX];
	ssize_t n;
	int fd;

	*out = 0;
	if (!sysfs_path(path, address, leaf))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, out, size - 1);
	close(fd);
	out[n < 0 ? 0 : n] = 0;
	out[strcspn(out, "\n")] = 0;
	return n >= 0;
}

/* The name of the character device is that of the only entry in vfio-dev. */
static void sysfs_read_cdev(struct pci_function *f)
{
	char path[SYSFS_PATH_MAX];
	struct dirent *d;
	DIR *dir;

	if (!sysfs_path(path, f->address.text, "vfio-dev"))
		return;
	dir = opendir(path);
	while (dir && (d = readdir(dir)))
		if (!strncmp(d->d_name, "vfio", 4) && strlen(d->d_name) < sizeof(f->cdev))
			memcpy(f->cdev, d->d_name, strlen(d->d_name) + 1);
	if (dir)
		closedir(dir);
}

void pci_function_read(struct pci_function *f, const struct pci_address *address)
{
	char path[SYSFS_PATH_MAX];

	*f = (struct pci_function){.address = *address};
	f->there = sysfs_path(path, address->text, NULL) && !access(path, F_OK);
	if (!f->there)
		return;
	sysfs_link(address->text, "driver", f->driver, sizeof(f->driver));
	sysfs_link(address->text, "iommu_group", f->group, sizeof(f->group));
	sysfs_read_cdev(f);
}
