/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dmamap kmod: kernel drivers. kernel/run/kmod.py does the work: it runs the compiler and converts
 * stacks. This file locates the script and the folders that it needs, next to the command in a
 * build folder, or where they are installed.
 */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef DMAMAP_LIBDIR
#define DMAMAP_LIBDIR "/usr/local/lib"
#endif

#define KMOD_NOT_RUN 3 /* exit status: it could not be built or run */

enum kmod_place { KMOD_KERNEL, KMOD_GENERATED, KMOD_INCLUDE, KMOD_LIBRARY, KMOD_PLACES };

/*
 * Determines the folder of the command, without the final slash. Returns false if it is not known.
 */
static bool kmod_own_folder(char *folder, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", folder, size - 1);
	char *slash;

	if (n <= 0)
		return false;
	folder[n] = 0;
	slash = strrchr(folder, '/');
	if (!slash)
		return false;
	*slash = 0;
	return true;
}

/* In a build folder: reads the four lines of kernel/places.txt. */
static bool kmod_places_built(const char *folder, char place[][PATH_MAX])
{
	char path[PATH_MAX];
	bool ok = true;
	FILE *file;

	if (snprintf(path, sizeof(path), "%s/../kernel/places.txt", folder) >= (int)sizeof(path))
		return false;
	file = fopen(path, "re");
	if (!file)
		return false;
	for (int i = 0; i < KMOD_PLACES && ok; i++) {
		ok = fgets(place[i], PATH_MAX, file) != NULL;
		if (ok)
			place[i][strcspn(place[i], "\n")] = 0;
	}
	fclose(file);
	return ok;
}

static bool kmod_places_installed(const char *folder, char place[][PATH_MAX])
{
	static const char *const below[KMOD_LIBRARY] = {
		"share/dmamap/kernel", "share/dmamap/kernel-generated", "include/dmamap"};

	for (int i = 0; i < KMOD_LIBRARY; i++) {
		if (snprintf(place[i], PATH_MAX, "%s/../%s", folder, below[i]) >= PATH_MAX)
			return false;
	}
	snprintf(place[KMOD_LIBRARY], PATH_MAX, "%s", DMAMAP_LIBDIR);
	return access(place[KMOD_KERNEL], R_OK) == 0;
}

int cmd_kmod(int argc, char **argv)
{
	static char place[KMOD_PLACES][PATH_MAX], folder[PATH_MAX - 32], script[PATH_MAX + 16];
	char python[] = "python3", version[] = DMAMAP_VERSION;
	char **args = calloc((size_t)argc + KMOD_PLACES + 4, sizeof(*args));
	int n = 0;

	if (!args || !kmod_own_folder(folder, sizeof(folder)) ||
	    (!kmod_places_built(folder, place) && !kmod_places_installed(folder, place))) {
		fprintf(stderr, "dmamap kmod: the sources of the kernel runtime are not installed: "
				"install dmamap "
				"again, or run the command from its build folder\n");
		free(args);
		return KMOD_NOT_RUN;
	}
	snprintf(script, sizeof(script), "%s/run/kmod.py", place[KMOD_KERNEL]);
	args[n++] = python;
	args[n++] = script;
	for (int i = 0; i < KMOD_PLACES; i++)
		args[n++] = place[i];
	args[n++] = version;
	for (int i = 1; i < argc; i++)
		args[n++] = argv[i];
	execvp(python, args);
	fprintf(stderr, "dmamap kmod: python3 cannot be started (%s): install python3\n",
		strerror(errno));
	free(args);
	return KMOD_NOT_RUN;
}
