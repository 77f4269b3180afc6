/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/file.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_LONGEST 4096

/*
 * Finds the directory and the last component of a path. Returns false if the directory does not
 * exist.
 */
static bool file_folder(const char *path, struct stat *st, const char **name)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_LONGEST];
	int n;

	*name = slash ? slash + 1 : path;
	n = slash ? snprintf(folder, sizeof(folder), "%.*s/", (int)(slash - path), path)
		  : snprintf(folder, sizeof(folder), ".");
	return n < (int)sizeof(folder) && !stat(folder, st);
}

bool file_same(const char *a, const char *b)
{
	const char *name_a, *name_b;
	bool there_a, there_b;
	struct stat x, y;

	there_a = !stat(a, &x);
	there_b = !stat(b, &y);
	if (there_a != there_b)
		return false;
	if (there_a && S_ISBLK(x.st_mode) && S_ISBLK(y.st_mode))
		return x.st_rdev == y.st_rdev;
	if (there_a)
		return S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
	return file_folder(a, &x, &name_a) && file_folder(b, &y, &name_b) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino && !strcmp(name_a, name_b);
}
