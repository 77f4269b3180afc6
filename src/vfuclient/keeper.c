/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread of a device. It processes what the server sends while no thread waits for a reply,
 * detects that the server has ended, forwards the interrupt line, and reports refused accesses.
 *
 * Threads that make requests read the socket themselves. If the keeper waited for the socket at the
 * same time, each of their replies would wake it, which would double the cost of a register access.
 * So it does not wait for the socket while requests are made, and checks again after STANDBY_MS. If
 * the server may access memory by message, its requests must be processed at once, so the keeper
 * then always waits for the socket.
 */
#include "vfuclient/private.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/fork.h"
#include "base/log.h"
#include "base/thread.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STANDBY_MS 20

enum { POLL_WAKE, POLL_INTX, POLL_SOCKET, POLLS };

static void keeper_consume(int fd)
{
	u64 count;

	if (read(fd, &count, sizeof(count)) < 0)
		return; /* another thread has consumed it */
}

static void keeper_log_end(struct vfuclient *c)
{
	vfuclient_error(c);
	log_line(LOG_ERROR, "%s", error_text());
}

/* Waits for events; *calls is the number of requests at the previous call. */
static void keeper_wait(struct vfuclient *c, struct pollfd p[POLLS], u64 *calls)
{
	bool dead = vfuclient_is_dead(c);
	u64 now = read_once(&c->calls);
	bool quiet = now == *calls || read_acquire(&c->by_message);

	*calls = now;
	p[POLL_SOCKET].fd = quiet && !dead ? c->channel.fd : -1;
	if (poll(p, POLLS, quiet || dead ? -1 : STANDBY_MS) < 0)
		p[POLL_WAKE].revents = p[POLL_INTX].revents = p[POLL_SOCKET].revents = 0;
}

static void *vfuclient_keeper_main(void *arg)
{
	struct vfuclient *c = arg;
	struct pollfd p[POLLS] = {[POLL_WAKE] = {.fd = c->wake_fd, .events = POLLIN},
				  [POLL_INTX] = {.fd = c->intx_fd, .events = POLLIN},
				  [POLL_SOCKET] = {.fd = -1, .events = POLLIN}};
	bool logged = false;
	u64 calls = 0;

	while (!read_acquire(&c->ending)) {
		keeper_wait(c, p, &calls);
		if (p[POLL_WAKE].revents)
			keeper_consume(c->wake_fd);
		if (p[POLL_INTX].revents) {
			keeper_consume(c->intx_fd);
			if (read_acquire(&c->dev->irq_kind) == DMAMAP_IRQ_INTX)
				device_line_raised(c->dev);
		}
		if (p[POLL_SOCKET].revents)
			vfuclient_drain(c);
		vfuclient_report_faults(c);
		if (!logged && vfuclient_is_dead(c)) {
			keeper_log_end(c);
			logged = true;
		}
	}
	return NULL;
}

static int keeper_open_fd(struct vfuclient *c, int *fd)
{
	*fd = fail_here(FAIL_MEMORY, NULL) ? (errno = EMFILE, -1)
					   : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0)
		return error_set(errno,
				 "%s: cannot create an eventfd: the process has too many open "
				 "files (ulimit -n)",
				 c->dev->name);
	fork_fd_add(*fd);
	return 0;
}

static void keeper_close_fd(int *fd)
{
	if (*fd >= 0)
		fork_fd_close(*fd);
	*fd = -1;
}

int vfuclient_keeper_start(struct vfuclient *c)
{
	int err = keeper_open_fd(c, &c->wake_fd);

	if (!err)
		err = keeper_open_fd(c, &c->intx_fd);
	if (err)
		return err;
	err = thread_start(&c->keeper, vfuclient_keeper_main, c);
	c->kept = !err;
	return err ? error_set(err,
			       "%s: cannot start the thread that processes the server's requests: "
			       "there are too many threads (ulimit -u)",
			       c->dev->name)
		   : 0;
}

void vfuclient_keeper_wake(struct vfuclient *c)
{
	const u64 one = 1;

	if (c->wake_fd >= 0 && write(c->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full, so the keeper is awake */
}

void vfuclient_keeper_stop(struct vfuclient *c)
{
	if (c->kept) {
		write_release(&c->ending, true);
		vfuclient_keeper_wake(c);
		pthread_join(c->keeper, NULL);
		c->kept = false;
	}
}

void vfuclient_keeper_close(struct vfuclient *c)
{
	keeper_close_fd(&c->intx_fd);
	keeper_close_fd(&c->wake_fd);
}
