/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The error messages of vfio: and iommufd:. Lists of functions are truncated to their buffer at a
 * whole name, so no message overflows.
 */
#include "vfio/why.h"
#include "base/error.h"
#include "mem/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

int why_no_iommu(void)
{
	return error_set(ENODEV, "the kernel offers no IOMMU for devices of programs: enable it in "
				 "the firmware (VT-d, AMD-Vi), boot with intel_iommu=on on Intel's "
				 "machines, and run modprobe vfio_iommu_type1");
}

int why_function(const struct pci_function *f)
{
	if (!f->there)
		return error_set(ENODEV,
				 "there is no PCI function %s: dmamap list shows the functions of "
				 "this machine",
				 f->address.text);
	if (!f->group[0]) {
		why_no_iommu();
		error_prefix("%s is in no IOMMU group", f->address.text);
		return -ENODEV;
	}
	if (strstr(f->driver, "vfio")) /* vfio-pci, or a variant for this device */
		return 0;
	if (!f->driver[0])
		return error_set(ENODEV,
				 "%s has no driver: bind it to vfio-pci with dmamap bind %s",
				 f->address.text, f->address.text);
	return error_set(EBUSY,
			 "%s belongs to the driver %s: if nothing uses it, bind it to vfio-pci "
			 "with dmamap bind %s",
			 f->address.text, f->driver, f->address.text);
}

int why_container(const char *path, int err)
{
	if (err == ENOENT || err == ENODEV || err == ENXIO)
		return error_set(err,
				 "there is no %s: run modprobe vfio-pci (the kernel needs "
				 "CONFIG_VFIO_PCI and CONFIG_VFIO_CONTAINER)",
				 path);
	return error_set(err, "cannot open %s: %s%s", path, strerror(err),
			 err == EACCES ? ": it should have mode 0666, see docs/hardware.md" : "");
}

int why_group(const struct pci_function *f, const char *path, int err)
{
	if (err == EBUSY)
		return error_set(
			EBUSY,
			"IOMMU group %s of %s is in use by another process, or by another back end "
			"of this one: fuser %s shows the process; close the device there",
			f->group, f->address.text, path);
	if (err == EACCES || err == EPERM)
		return error_set(
			err,
			"no permission to open %s: chown it to this user (a udev rule keeps it so, "
			"see docs/hardware.md), or run as root",
			path);
	if (err == ENOENT)
		return error_set(ENOENT,
				 "there is no %s: no function of IOMMU group %s is bound to "
				 "vfio-pci; run dmamap bind %s",
				 path, f->group, f->address.text);
	return error_set(err, "cannot open %s: %s", path, strerror(err));
}

/* A function with one of these drivers does not prevent opening its group. */
static bool why_is_harmless(const char *driver)
{
	return !driver[0] || !strcmp(driver, "pcieport") || !strcmp(driver, "pci-stub");
}

/*
 * Lists the group's other functions that are bound to VFIO (`with_vfio`), or to other drivers of
 * the kernel.
 */
static void why_list_group(const struct pci_function *f, bool with_vfio, char *out, size_t size)
{
	char path[SYSFS_PATH_MAX], driver[64];
	struct dirent *d;
	size_t n = 0;
	DIR *dir;

	*out = 0;
	dir = sysfs_path(path, f->address.text, "iommu_group/devices") ? opendir(path) : NULL;
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || !strcmp(d->d_name, f->address.text))
			continue;
		sysfs_link(d->d_name, "driver", driver, sizeof(driver));
		if (why_is_harmless(driver) || !!strstr(driver, "vfio") != with_vfio)
			continue;
		if (strlen(d->d_name) + strlen(driver) + 6 > size - n)
			break;
		n += (size_t)snprintf(out + n, size - n, "%s%s (%s)", n ? ", " : "", d->d_name,
				      driver);
	}
	if (dir)
		closedir(dir);
}

void pci_group_others(const struct pci_function *f, char *out, size_t size)
{
	why_list_group(f, false, out, size);
}

int why_not_viable(const struct pci_function *f)
{
	char others[512];

	pci_group_others(f, others, sizeof(others));
	return error_set(EPERM,
			 "IOMMU group %s of %s is not viable: other functions of the group belong "
			 "to drivers of the kernel: %s; bind all functions of the group to "
			 "vfio-pci, or to no driver",
			 f->group, f->address.text, others[0] ? others : "dmamap list shows them");
}

int why_no_remapping(const struct pci_function *f)
{
	return error_set(
		EPERM,
		"the machine cannot isolate the interrupts of %s (no interrupt remapping): enable "
		"x2APIC or interrupt remapping in the firmware, or, if the device is trusted, load "
		"vfio_iommu_type1 with allow_unsafe_interrupts=1",
		f->address.text);
}

int why_device(const struct pci_function *f, int err)
{
	if (err == EBUSY)
		return error_set(EBUSY,
				 "%s is open already, in this process or another: close it there",
				 f->address.text);
	if (err == ENODEV)
		return error_set(
			ENODEV, "%s is not bound to vfio-pci (driver: %s): run dmamap bind %s",
			f->address.text, f->driver[0] ? f->driver : "none", f->address.text);
	return error_set(err, "vfio-pci cannot open %s: %s; dmesg may show why", f->address.text,
			 strerror(err));
}

int why_iommufd(const char *path, int err)
{
	if (err == ENOENT || err == ENODEV || err == ENXIO)
		return error_set(
			err,
			"there is no %s: run modprobe iommufd, on a kernel from 6.6 on with "
			"CONFIG_IOMMUFD (Debian's kernels do not have it); vfio: needs neither",
			path);
	return error_set(err, "cannot open %s: %s%s", path, strerror(err),
			 err == EACCES ? ": it should have mode 0666, see docs/hardware.md" : "");
}

int why_no_cdev(const struct pci_function *f)
{
	return error_set(ENODEV,
			 "%s has no VFIO character device: it needs a kernel from 6.6 on with "
			 "CONFIG_VFIO_DEVICE_CDEV; vfio:%s works without it",
			 f->address.text, f->address.text);
}

int why_cdev(const struct pci_function *f, const char *path, int err)
{
	if (err == EACCES || err == EPERM)
		return error_set(
			err,
			"no permission to open %s: chown it to this user (a udev rule keeps it so, "
			"see docs/hardware.md), or run as root",
			path);
	if (err == EBUSY)
		return error_set(EBUSY,
				 "%s is in use by another process: fuser %s shows the process",
				 f->address.text, path);
	return error_set(err, "cannot open %s: %s", path, strerror(err));
}

int why_bind(const struct pci_function *f, int err)
{
	char others[512];

	/* Linux 6.12 also returns EPERM if a driver of the kernel has a function of the group */
	pci_group_others(f, others, sizeof(others));
	if (others[0])
		return why_not_viable(f);
	if (err == EBUSY || err == EINVAL)
		return error_set(EBUSY,
				 "%s is in use by another process or by the vfio back end, or a "
				 "function of its IOMMU group %s belongs to a driver of the "
				 "kernel: dmamap list shows the drivers",
				 f->address.text, f->group);
	why_list_group(f, true, others, sizeof(others));
	if (err == EPERM && others[0])
		return error_set(
			EBUSY,
			"IOMMU group %s of %s is in use by another process, or by another back end "
			"of this one, which has %s: close it there (otherwise the machine has no "
			"interrupt remapping: enable it in the firmware)",
			f->group, f->address.text, others);
	if (err == EPERM)
		return why_no_remapping(f);
	return error_set(err, "%s cannot be bound to /dev/iommu: %s", f->address.text,
			 strerror(err));
}

int why_attach(const struct pci_function *f, int err)
{
	return error_set(err, "%s cannot be attached to an address space: %s", f->address.text,
			 strerror(err));
}

/*
 * Returns how many KiB of this process are locked or pinned, as the kernel counts them for
 * RLIMIT_MEMLOCK.
 */
static u64 why_locked_kib(void)
{
	unsigned long long locked = 0, pinned = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "VmLck: %llu", &locked);
		sscanf(line, "VmPin: %llu", &pinned);
	}
	if (f)
		fclose(f);
	return locked + pinned;
}

static int why_no_memory(u64 size)
{
	u64 used = why_locked_kib() * KIB;
	struct rlimit limit;

	if (!getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY &&
	    (used > limit.rlim_cur || size > limit.rlim_cur - used))
		return error_set(ENOMEM,
				 "cannot pin %llu KiB of memory for the device: RLIMIT_MEMLOCK is "
				 "%llu KiB, and %llu KiB are needed (%llu are pinned now): run "
				 "ulimit -l %llu, or set a smaller ram=",
				 (unsigned long long)(size / KIB),
				 (unsigned long long)(limit.rlim_cur / KIB),
				 (unsigned long long)((used + size) / KIB),
				 (unsigned long long)(used / KIB),
				 (unsigned long long)((used + size) / KIB));
	return error_set(ENOMEM,
			 "cannot pin %llu KiB of memory for the device: the system does not have "
			 "enough free memory; set a smaller ram=",
			 (unsigned long long)(size / KIB));
}

int why_map(u64 iova, u64 size, int err)
{
	switch (err) {
	case ENOMEM:
		return why_no_memory(size);
	case EEXIST:
	case EADDRINUSE:
		return error_set(EEXIST, "the kernel still has a mapping at device address %#llx",
				 (unsigned long long)iova);
	case ENOSPC:
		return error_set(ENOSPC,
				 "the kernel's container is full of mappings: unmap some, use "
				 "policy=identity, or use fewer and larger segments; the module "
				 "parameter dma_entry_limit of vfio_iommu_type1 sets the limit");
	case EFAULT:
		return error_set(
			EFAULT,
			"the kernel cannot pin %llu KiB for device address %#llx: the program may "
			"not access all of that memory in the mapping's direction",
			(unsigned long long)(size / KIB), (unsigned long long)iova);
	}
	return error_set(err, "the kernel cannot map %llu KiB at device address %#llx: %s",
			 (unsigned long long)(size / KIB), (unsigned long long)iova, strerror(err));
}
