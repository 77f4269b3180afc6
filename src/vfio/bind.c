/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Binds functions to vfio-pci and back to their drivers, as described in the kernel's
 * Documentation/ABI/testing/sysfs-bus-pci: the name of the driver is written to driver_override,
 * and the address to the old driver's unbind and then to drivers_probe.
 */
#include "vfio/bind.h"
#include "vfio/why.h"
#include "base/error.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool bind_is_bridge(const struct pci_function *f)
{
	char class[32];

	return sysfs_text(f->address.text, "class", class, sizeof(class)) &&
	       strtoul(class, NULL, 16) >> 16 == 6;
}

static int bind_refuse_bridge(const struct pci_function *f)
{
	return error_set(EINVAL, "%s is a bridge: the kernel must keep control of bridges",
			 f->address.text);
}

/* Writes the text to the file below "ROOT/bus/pci/". */
static int bind_write_bus(const char *leaf, const char *text)
{
	char path[SYSFS_PATH_MAX];
	ssize_t n;
	int fd, err = 0;

	if (snprintf(path, sizeof(path), "%s/bus/pci/%s", sysfs_root(), leaf) >= (int)sizeof(path))
		return error_set(ENAMETOOLONG, "the path of sysfs is too long");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : write(fd, text, strlen(text));
	if (n < 0)
		err = error_set(errno, "cannot write %s: %s%s", path, strerror(errno),
				errno == EACCES || errno == EPERM ? ": binding needs root" : "");
	if (fd >= 0)
		close(fd);
	return err;
}

static int bind_set_override(const struct pci_function *f, const char *driver)
{
	char leaf[96];

	snprintf(leaf, sizeof(leaf), "devices/%s/driver_override", f->address.text);
	return bind_write_bus(leaf, driver);
}

static int bind_unbind(const struct pci_function *f)
{
	char leaf[128];

	if (!f->driver[0])
		return 0;
	snprintf(leaf, sizeof(leaf), "drivers/%s/unbind", f->driver);
	return bind_write_bus(leaf, f->address.text);
}

static bool bind_driver_loaded(const char *name)
{
	char path[SYSFS_PATH_MAX];

	return snprintf(path, sizeof(path), "%s/bus/pci/drivers/%s", sysfs_root(), name) <
		       (int)sizeof(path) &&
	       !access(path, F_OK);
}

/*
 * Makes the kernel bind the function to its former driver again. The error message of the failed
 * bind is preserved.
 */
static void bind_restore_driver(const struct pci_function *f)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s", error_text());
	bind_set_override(f, "\n");
	bind_write_bus("drivers_probe", f->address.text);
	error_set(EIO, "%s", text);
}

static int bind_check(const struct pci_function *f)
{
	if (!f->there)
		return why_function(f);
	if (bind_is_bridge(f))
		return bind_refuse_bridge(f);
	if (!f->group[0])
		return why_function(f);
	if (!bind_driver_loaded("vfio-pci"))
		return error_set(ENOENT,
				 "the driver vfio-pci is not loaded: run modprobe vfio-pci");
	return pci_in_use(f);
}

int pci_bind(const struct pci_address *address)
{
	struct pci_function f, now;
	int err;

	pci_function_read(&f, address);
	if (f.there && !strcmp(f.driver, "vfio-pci"))
		return 0;
	err = bind_check(&f);
	if (err)
		return err;
	err = bind_set_override(&f, "vfio-pci");
	if (err)
		return err;
	err = bind_unbind(&f);
	if (!err)
		err = bind_write_bus("drivers_probe", address->text);
	pci_function_read(&now, address);
	if (!err && strcmp(now.driver, "vfio-pci") != 0)
		err = error_set(EIO, "vfio-pci did not accept %s: dmesg may show why",
				address->text);
	if (err)
		bind_restore_driver(&f);
	return err;
}

int pci_unbind(const struct pci_address *address)
{
	struct pci_function f;
	int err;

	pci_function_read(&f, address);
	if (!f.there)
		return why_function(&f);
	if (strcmp(f.driver, "vfio-pci") != 0)
		return error_set(EINVAL,
				 "%s is bound to %s, not to vfio-pci: there is nothing to unbind",
				 address->text, f.driver[0] ? f.driver : "no driver");
	err = pci_in_use(&f);
	if (!err)
		err = bind_set_override(&f, "\n");
	if (!err)
		err = bind_unbind(&f);
	return err ? err : bind_write_bus("drivers_probe", address->text);
}

/*
 * Checks the files in /dev. A test's simulated sysfs has no such files, so nothing is checked then.
 */
static int bind_check_files(const struct pci_function *f, char *remedy, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%s", f->group);
	if (strcmp(sysfs_root(), "/sys") != 0)
		return 0;
	if (access("/dev/vfio/vfio", F_OK) && access("/dev/iommu", F_OK)) {
		snprintf(remedy, size, "modprobe vfio-pci vfio_iommu_type1");
		return why_container("/dev/vfio/vfio", ENOENT);
	}
	if (!access(path, R_OK | W_OK))
		return 0;
	if (errno == EACCES)
		snprintf(remedy, size, "chown %u %s", (unsigned int)getuid(), path);
	return why_group(f, path, errno);
}

int pci_obstacle(const struct pci_function *f, char *remedy, size_t size)
{
	char others[512];
	int err;

	*remedy = 0;
	if (bind_is_bridge(f))
		return bind_refuse_bridge(f);
	if (!f->group[0])
		return why_function(f);
	if (!strstr(f->driver, "vfio")) {
		err = pci_in_use(f);
		if (err && err != -EACCES && err != -EPERM)
			return err; /* bind, which needs root, checks it again */
		snprintf(remedy, size, "%sdmamap bind %s",
			 bind_driver_loaded("vfio-pci") ? "" : "modprobe vfio-pci; ",
			 f->address.text);
		return why_function(f);
	}
	pci_group_others(f, others, sizeof(others));
	if (others[0]) {
		snprintf(remedy, size, "dmamap bind each of %s", others);
		return why_not_viable(f);
	}
	return bind_check_files(f, remedy, size);
}
