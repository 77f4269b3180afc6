/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linked with every test. Under valgrind, a child of fork does not search for leaks: what its
 * parent had allocated is not the child's to free, and the addresses of the library's RAM, which is
 * absent in a child, take minutes to search.
 */
#include <pthread.h>

#ifdef HAVE_VALGRIND
#include <valgrind/valgrind.h>

static void valgrind_child_begins(void)
{
	VALGRIND_CLO_CHANGE("--leak-check=no");
}

__attribute__((constructor)) static void valgrind_child_prepare(void)
{
	if (RUNNING_ON_VALGRIND)
		pthread_atfork(NULL, NULL, valgrind_child_begins);
}
#endif
