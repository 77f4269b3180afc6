/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's notifications about a device are handled by one thread for each function. When the
 * kernel requests the device back (unbinding, unplugging), the thread releases it: DMA is stopped,
 * registers read as all ones, and the device's file is closed, so that the kernel's request does
 * not wait for the program. The mappings stay until dmamap_close().
 *
 * The thread also forwards line interrupts. The kernel masks the line when it rises. The library
 * unmasks it when its handler has run (device_line_rearm()). If the device still asserts the line
 * then, the kernel signals it again.
 */
#include "vfio/calls.h"
#include "vfio/private.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/thread.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void watch_device_removed(struct vfio_function *f)
{
	function_master(f, false);
	irq_stop(f);
	write_release(&f->gone, true);
	function_blank_regions(f);
	vfio_calls->retire(f->fd);
	log_line(LOG_ERROR,
		 "%s (%s): the kernel took the device back (it was unbound or unplugged): close "
		 "the device",
		 f->dev->name, f->pci.address.text);
}

static bool watch_event_happened(int fd)
{
	u64 count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

static void watch_raise_line(struct vfio_function *f)
{
	if (read_acquire(&f->dev->irq_kind) == DMAMAP_IRQ_INTX)
		device_line_raised(f->dev);
}

static void *watch_main(void *arg)
{
	struct vfio_function *f = arg;
	struct pollfd p[] = {{.fd = f->wake_fd, .events = POLLIN},
			     {.fd = f->req_fd, .events = POLLIN},
			     {.fd = f->err_fd, .events = POLLIN},
			     {.fd = f->intx_fd, .events = POLLIN}};

	for (;;) {
		if (poll(p, ARRAY_SIZE(p), -1) < 0)
			continue;
		if (p[0].revents)
			return NULL;
		if (p[1].revents && watch_event_happened(f->req_fd) && !f->gone)
			watch_device_removed(f);
		if (p[2].revents && watch_event_happened(f->err_fd))
			log_line(LOG_ERROR,
				 "%s (%s): the bus reports an error from which the device does not "
				 "recover: close the device and open it again",
				 f->dev->name, f->pci.address.text);
		if (p[3].revents && watch_event_happened(f->intx_fd))
			watch_raise_line(f);
	}
}

static void watch_own_fds(struct vfio_function *f, int *fd[4])
{
	fd[0] = &f->wake_fd;
	fd[1] = &f->req_fd;
	fd[2] = &f->err_fd;
	fd[3] = &f->intx_fd;
}

static void watch_close_fds(struct vfio_function *f)
{
	int *fd[4];

	watch_own_fds(f, fd);
	for (int i = 0; i < 4; i++) {
		if (*fd[i] >= 0)
			close(*fd[i]);
		*fd[i] = -1;
	}
}

static int watch_open_fds(struct vfio_function *f)
{
	int *fd[4];

	watch_own_fds(f, fd);
	for (int i = 0; i < 4; i++) {
		*fd[i] = fail_here(FAIL_MEMORY, NULL) ? (errno = EMFILE, -1)
						      : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (*fd[i] < 0) {
			int err = error_set(errno,
					    "%s: cannot create an eventfd: the process has too "
					    "many open files (ulimit -n)",
					    f->pci.address.text);

			watch_close_fds(f);
			return err;
		}
	}
	return 0;
}

int watch_start(struct vfio_function *f)
{
	int err = watch_open_fds(f);

	if (err)
		return err;
	/* errors are ignored: not every kernel and device supports these */
	irq_set_one(f, IRQ_REQ, f->req_fd);
	irq_set_one(f, IRQ_ERR, f->err_fd);
	err = thread_start(&f->watcher, watch_main, f);
	f->watched = !err;
	if (!err)
		return 0;
	watch_close_fds(f);
	return error_set(err,
			 "%s: cannot start the thread that handles the kernel's notifications: "
			 "there are too many threads (ulimit -u)",
			 f->pci.address.text);
}

void watch_stop(struct vfio_function *f)
{
	const u64 one = 1;

	if (!f->watched)
		return;
	if (write(f->wake_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(f->watcher, NULL);
	f->watched = false;
	watch_close_fds(f);
}
