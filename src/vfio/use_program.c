/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks for processes that have a device of a function open: the directory `fd` of a process has a
 * link for each descriptor. The number identifies a device. If the target of the link cannot be
 * accessed, the device is identified by its usual name.
 */
#include "vfio/use.h"
#include "base/error.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What the links are compared with. */
struct use_wanted {
	const struct use_list *list;
	char group[64], cdev[64]; /* files of VFIO; "": none */
};

static bool use_is_name(const struct use_wanted *w, const char *target)
{
	if (strncmp(target, "/dev/", 5) != 0)
		return false;
	if ((w->group[0] && !strcmp(target, w->group)) || (w->cdev[0] && !strcmp(target, w->cdev)))
		return true;
	for (u32 i = 0; i < w->list->n; i++)
		if (!strcmp(target + 5, w->list->device[i].name))
			return true;
	return false;
}

static bool use_is_wanted(const struct use_wanted *w, int dir, const char *name)
{
	char target[256];
	struct stat st;
	ssize_t n;

	if (!fstatat(dir, name, &st, 0)) {
		if ((S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)) &&
		    use_find(w->list, S_ISBLK(st.st_mode), major(st.st_rdev), minor(st.st_rdev)))
			return true;
		if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode))
			return false;
	}
	n = readlinkat(dir, name, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = 0;
	return use_is_name(w, target);
}

/* A process that has ended has nothing open. */
static int use_check_process(const struct use_wanted *w, const char *pid)
{
	char path[SYSFS_PATH_MAX], leaf[USE_NAME_MAX + 8];
	struct dirent *d;
	int err = 0;
	DIR *dir;

	snprintf(leaf, sizeof(leaf), "%.32s/fd", pid);
	dir = use_join(path, use_proc(), leaf) ? opendir(path) : NULL;
	if (!dir && (errno == ENOENT || errno == ESRCH))
		return 0;
	if (!dir)
		return error_set(errno, "cannot see what process %s has open: %s%s", pid,
				 strerror(errno), errno == EACCES ? ": run this as root" : "");
	while (!err && (d = readdir(dir)))
		if (d->d_name[0] != '.' && use_is_wanted(w, dirfd(dir), d->d_name))
			err = error_set(EBUSY, "process %s has it open: end it first", pid);
	closedir(dir);
	return err;
}

int use_check_programs(const struct use_list *list, const struct pci_function *f)
{
	struct use_wanted w = {.list = list};
	struct dirent *d;
	int err = 0;
	DIR *dir;

	if (strstr(f->driver, "vfio")) {
		snprintf(w.group, sizeof(w.group), "/dev/vfio/%s", f->group);
		if (f->cdev[0])
			snprintf(w.cdev, sizeof(w.cdev), "/dev/vfio/devices/%s", f->cdev);
	} else if (!list->n) {
		return 0;
	}
	dir = opendir(use_proc());
	if (!dir)
		return error_set(errno, "cannot see the processes in %s: %s", use_proc(),
				 strerror(errno));
	while (!err && (d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
			err = use_check_process(&w, d->d_name);
	closedir(dir);
	return err;
}
