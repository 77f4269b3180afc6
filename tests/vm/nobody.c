/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nobody KIB COMMAND…: runs a command without privileges and with KIB of memory that it may lock.
 */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOBODY 65534

int main(int argc, char **argv)
{
	struct rlimit limit;

	if (argc < 3)
		return 2;
	limit.rlim_cur = limit.rlim_max = strtoul(argv[1], NULL, 10) * 1024;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setgroups(0, NULL) || setgid(NOBODY) ||
	    setuid(NOBODY)) {
		perror("nobody");
		return 1;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 1;
}
