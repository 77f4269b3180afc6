/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child of fork() owns no device. The files that it inherits would keep the device open after the
 * parent has closed it or ended, so the child closes them at once. Registers are not mapped in the
 * child (MADV_DONTFORK).
 *
 * Each function is therefore added to this list before its files are opened. A function may be in
 * the list only once: a second container could open the same function, and the second open would
 * reset the device while the first one is in use.
 */
#include "vfio/calls.h"
#include "vfio/private.h"
#include "base/error.h"
#include "base/fork.h"

#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vfio_function *functions; /* guarded by lock */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_error; /* written once, by fork_register_once() */

static void vfio_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

static void vfio_fork_parent(void)
{
	pthread_mutex_unlock(&lock);
}

static void fork_close_fd(int *fd)
{
	if (*fd >= 0)
		vfio_calls->close(*fd);
	*fd = -1;
}

/* Called in the child, whose copy of this memory is its own. */
static void vfio_fork_child(void)
{
	for (struct vfio_function *f = functions; f; f = f->next) {
		fork_close_fd(&f->fd);
		fork_close_fd(&f->space->group_fd);
		fork_close_fd(&f->space->fd);
		f->gone = true;
		f->watched = false;
		for (int i = 0; i < REGIONS; i++)
			f->region[i].n_areas = 0;
	}
	fork_forget(&functions, sizeof(functions));
	pthread_mutex_unlock(&lock);
}

static void fork_register_once(void)
{
	once_error = pthread_atfork(vfio_fork_prepare, vfio_fork_parent, vfio_fork_child);
}

int fork_add(struct vfio_function *f)
{
	struct vfio_function *other;

	pthread_once(&once, fork_register_once);
	if (once_error)
		return error_set(once_error,
				 "cannot register the handlers of fork(): out of memory");
	pthread_mutex_lock(&lock);
	for (other = functions; other && strcmp(other->pci.address.text, f->pci.address.text) != 0;
	     other = other->next)
		;
	if (!other) {
		f->next = functions;
		functions = f;
	}
	pthread_mutex_unlock(&lock);
	return other ? error_set(EBUSY, "%s is already open in this process: close it first",
				 f->pci.address.text)
		     : 0;
}

void fork_remove(struct vfio_function *f)
{
	struct vfio_function **p;

	pthread_mutex_lock(&lock);
	for (p = &functions; *p && *p != f; p = &(*p)->next)
		;
	if (*p)
		*p = f->next;
	pthread_mutex_unlock(&lock);
}
