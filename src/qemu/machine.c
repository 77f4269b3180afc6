/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts, supervises and ends one QEMU process. A thread of the library, the keeper, starts QEMU,
 * supervises it and waits for its end. The kernel kills QEMU when the thread that started it ends,
 * so QEMU never outlives this process, however it ends. The keeper also forwards interrupts, reads
 * responses that no thread waits for, and collects faults.
 *
 * A thread that detects that QEMU hangs or has ended calls qtest_end(), which closes the socket.
 * The keeper detects the closed socket, kills the process if it still runs, waits for it, stores
 * the reason and sets the state to DEAD. DMA may happen until the state is DEAD.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/alloc.h"
#include "base/fork.h"
#include "base/thread.h"
#include "qemu/private.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define READY_MS 15000 /* from the start of QEMU to its first response, on a busy machine */
/* The interval at which the keeper reads responses and collects faults. */
#define CHECK_NS (200 * NS_PER_MS)
/* For this long after the driver's last access the keeper also checks that QEMU responds. */
#define PING_NS	      (10 * NS_PER_S)
#define STOP_MS	      1000 /* time for an orderly end */
#define FIRMWARE      65536
#define VERSION_LEAST 702 /* major * 100 + minor */

bool machine_is_dead(const struct qemu *q)
{
	return __atomic_load_n(&q->state, __ATOMIC_ACQUIRE) == MACHINE_DEAD;
}

static void machine_set_state(struct qemu *q, enum machine_state state)
{
	pthread_mutex_lock(&q->lock);
	__atomic_store_n(&q->state, state, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

static void machine_wait_dead(struct qemu *q)
{
	pthread_mutex_lock(&q->lock);
	while (q->state != MACHINE_DEAD)
		pthread_cond_wait(&q->changed, &q->lock);
	pthread_mutex_unlock(&q->lock);
}

void machine_give_up(struct qemu *q, enum qtest_state why)
{
	qtest_end(&q->qtest, why);
	machine_wait_dead(q);
}

int machine_error(struct qemu *q)
{
	if (qtest_state(&q->qtest) != QTEST_ALIVE)
		machine_wait_dead(q);
	return error_set(EIO, "%s: %s", q->dev->name, q->reason);
}

/* Stores the reason why QEMU ended as an error message. */
static void machine_write_reason(struct qemu *q, enum qtest_state why)
{
	char how[96], words[REASON_MAX - 128];
	int code = q->process.how, status = q->process.status;

	/*
	 * the message about a fatal error of a device comes first; the processor's registers, which
	 * follow it, are left out
	 */
	process_last_words(&q->process, words, sizeof(words), "CPU #");
	if (why == QTEST_HUNG)
		snprintf(how, sizeof(how), "QEMU did not respond for too long and was killed");
	else if (why == QTEST_BROKEN)
		snprintf(how, sizeof(how), "QEMU violated its test protocol and was killed");
	else if (!code)
		snprintf(how, sizeof(how),
			 "QEMU ended; its status is unknown, since the program reaped the process "
			 "itself");
	else if (code != CLD_EXITED)
		snprintf(how, sizeof(how), "QEMU was killed by signal %d", status);
	else
		snprintf(how, sizeof(how), "QEMU ended with status %d", status);
	snprintf(q->reason, sizeof(q->reason), "%s%s%s", how, *words ? "; its last output: " : "",
		 words);
}

/* Ends the process, in an orderly way first if it was stopped on request. */
static void machine_end_process(struct qemu *q)
{
	struct pollfd p[2] = {{.fd = q->qtest.fd}, {.fd = q->process.words_fd, .events = POLLIN}};
	enum qtest_state why = qtest_state(&q->qtest);
	u64 began = clock_ns();

	if (why == QTEST_ALIVE) {
		process_signal(&q->process, SIGTERM);
		while (clock_ns() - began < STOP_MS * NS_PER_MS && !(p[0].revents & POLLHUP)) {
			process_listen(&q->process);
			if (poll(p, 2, 100) < 0 && errno != EINTR)
				break;
			if (p[1].revents & POLLHUP)
				p[1].fd = -1;
		}
		qtest_end(&q->qtest, QTEST_CLOSED);
	}
	process_listen(&q->process);
	/* a QEMU that closed the socket itself is ending, and its status is worth reporting */
	if (why == QTEST_ALIVE || why == QTEST_CLOSED)
		process_wait(&q->process, 200);
	process_signal(&q->process, SIGKILL);
	process_reap(&q->process);
	machine_write_reason(q, why);
}

/* Sleeps until there is something to do or until the next scan is due. */
static void keeper_sleep(struct qemu *q, u64 ns)
{
	bool line = read_once(&q->irq_way) == IRQ_LINE;
	struct pollfd p[3] = {{.fd = q->qtest.fd, .events = line ? POLLIN : 0},
			      {.fd = q->process.words_fd, .events = POLLIN},
			      {.fd = q->wake_fd, .events = POLLIN}};
	struct timespec t = {.tv_nsec = (long)ns};
	u64 count;

	if (ns > 100000) {
		__atomic_store_n(&q->napping, 1, __ATOMIC_SEQ_CST);
		ns = irq_interval_ns(q, clock_ns());
		t.tv_nsec = (long)ns;
	}
	ppoll(p, 3, &t, NULL);
	write_once(&q->napping, 0);
	if (p[2].revents & POLLIN && read(q->wake_fd, &count, sizeof(count)) < 0)
		return; /* the eventfd was read already; the loop checks for work anyway */
	if (p[1].revents)
		process_listen(&q->process);
	if (p[0].revents & POLLHUP)
		qtest_end(&q->qtest, QTEST_CLOSED);
	else if (p[0].revents & POLLIN)
		qtest_drain(&q->qtest);
}

/*
 * Called every CHECK_NS. It detects a hang also when the driver makes no calls but waits for an
 * interrupt.
 */
static void keeper_check(struct qemu *q, u64 now)
{
	u64 active = read_once(&q->active_ns);

	qtest_drain(&q->qtest);
	if (active > q->faults_ns) {
		q->faults_ns = now;
		qemu_collect_faults(q);
	}
	if (now < active + PING_NS)
		qtest_post(&q->qtest, "inl 0xcf8");
}

static void keeper_loop(struct qemu *q)
{
	u64 looked = clock_ns(), now;

	while (qtest_state(&q->qtest) == QTEST_ALIVE && !read_acquire(&q->want_stop)) {
		now = clock_ns();
		irq_scan(q);
		if (now - looked > CHECK_NS) {
			looked = now;
			keeper_check(q, now);
		}
		keeper_sleep(q, irq_interval_ns(q, now));
	}
	irq_scan(q);
}

static void machine_close_child_fds(struct qemu *q)
{
	for (int i = 0; i < PROCESS_FDS; i++) {
		if (q->child_fd[i] >= 0)
			fork_fd_close(q->child_fd[i]);
		q->child_fd[i] = -1;
	}
}

static void *keeper_main(void *arg)
{
	struct qemu *q = arg;
	int err;

	prctl(PR_SET_TIMERSLACK, 1);
	err = process_start(&q->process, q->command.word, q->child_fd);
	machine_close_child_fds(q); /* so that the other ends close when QEMU ends */
	if (err) {
		snprintf(q->reason, sizeof(q->reason), "%s", error_text());
		q->start_error = err;
		qtest_end(&q->qtest, QTEST_CLOSED);
		machine_set_state(q, MACHINE_DEAD);
		return NULL;
	}
	machine_set_state(q, MACHINE_RUNNING);
	keeper_loop(q);
	machine_end_process(q);
	machine_set_state(q, MACHINE_DEAD);
	irq_all(q);
	return NULL;
}

/* Creates a socket pair. The child's end is stored in child_fd, this process's end is returned. */
static int machine_socket_pair(struct qemu *q, int child)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return error_set(errno, "cannot create QEMU's sockets: the process has too many "
					"open files (ulimit -n)");
	fork_fd_add(fd[0]);
	fork_fd_add(fd[1]);
	q->child_fd[child - 3] = fd[1];
	return fd[0];
}

/*
 * Creates the firmware. The processor starts 16 bytes below 4 GiB and executes cli and hlt, and
 * jumps back to hlt.
 */
static int machine_make_firmware(void)
{
	static const u8 code[] = {0xfa, 0xf4, 0xeb, 0xfd};
	int fd = memfd_create("dmamap-firmware", MFD_CLOEXEC);

	if (fd < 0)
		return error_set(errno, "cannot create the firmware's file (memfd_create)");
	if (ftruncate(fd, FIRMWARE) ||
	    pwrite(fd, code, sizeof(code), FIRMWARE - 16) != (ssize_t)sizeof(code)) {
		int err = error_set(errno, "cannot write the firmware's file: %s", strerror(errno));

		close(fd);
		return err;
	}
	return fd;
}

/*
 * True: QEMU is runnable but gets no CPU time. On a busy machine that may last a second; it is not
 * a hang.
 */
static bool machine_is_starved(void *arg)
{
	return process_is_runnable(&((struct qemu *)arg)->process);
}

static int machine_open_files(struct qemu *q)
{
	int fd = machine_socket_pair(q, FD_QTEST), err;

	if (fd < 0)
		return fd;
	err = qtest_init(&q->qtest, fd, READY_MS);
	if (err) {
		fork_fd_close(fd);
		return err;
	}
	q->have_qtest = true;
	q->qtest.irq = irq_line;
	q->qtest.irq_arg = q;
	q->qtest.starved = machine_is_starved;
	q->qtest.starved_arg = q;
	q->qmp_fd = machine_socket_pair(q, FD_QMP);
	if (q->qmp_fd < 0)
		return q->qmp_fd;
	if (options_net(&q->options)) {
		q->net_fd = machine_socket_pair(q, FD_NET);
		if (q->net_fd < 0)
			return q->net_fd;
	}
	q->child_fd[FD_FIRMWARE - 3] = fd = machine_make_firmware();
	if (fd < 0)
		return fd;
	q->child_fd[FD_RAM - 3] = fd = fcntl(mem.fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0) {
		fork_fd_add(fd);
		q->wake_fd = fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	fork_fd_add(fd);
	return fd < 0 ? error_set(errno, "cannot create QEMU's descriptors: the process has too "
					 "many open files (ulimit -n)")
		      : 0;
}

static int machine_start_keeper(struct qemu *q)
{
	int err = thread_start(&q->keeper, keeper_main, q);

	if (err)
		return error_set(err, "cannot start the thread that supervises QEMU: there are too "
				      "many threads (ulimit -u)");
	q->have_keeper = true;
	pthread_mutex_lock(&q->lock);
	while (q->state == MACHINE_STARTING)
		pthread_cond_wait(&q->changed, &q->lock);
	pthread_mutex_unlock(&q->lock);
	return q->start_error ? error_set(-q->start_error, "%s", q->reason) : 0;
}

/* QEMU ended at its start: derives the errno from its error message. */
static int machine_refusal(struct qemu *q)
{
	int err = EINVAL;

	machine_wait_dead(q);
	if (strstr(q->reason, " lock"))
		err = EBUSY;
	else if (strstr(q->reason, "No such file"))
		err = ENOENT;
	else if (strstr(q->reason, "Permission denied"))
		err = EACCES;
	else if (strstr(q->reason, "No space left"))
		err = ENOSPC;
	else if (strstr(q->reason, "annot allocate memory"))
		err = ENOMEM;
	return error_set(err, "%s", q->reason);
}

/*
 * Checks the version, which is in the greeting of the monitor: {"QMP": {"version": {"qemu":
 * {"micro": 22, …
 */
static int machine_check_version(struct qemu *q)
{
	u64 began = clock_ns();
	const char *major, *minor;
	char text[1024];
	size_t len = 0;
	ssize_t n = 1;
	long version;

	text[0] = 0;
	while (!strchr(text, '\n') && len < sizeof(text) - 1) {
		struct pollfd p = {.fd = q->qmp_fd, .events = POLLIN};

		if (poll(&p, 1, 1000) > 0) {
			n = read(q->qmp_fd, text + len, sizeof(text) - 1 - len);
			if (n <= 0)
				break;
			len += (size_t)n;
			text[len] = 0;
		} else if (clock_ns() - began > READY_MS * NS_PER_MS) {
			break;
		}
	}
	if (n <= 0) {
		qtest_end(&q->qtest, QTEST_CLOSED);
		return machine_refusal(q);
	}
	major = strstr(text, "\"major\":");
	minor = strstr(text, "\"minor\":");
	if (!major || !minor) {
		qtest_end(&q->qtest, QTEST_BROKEN);
		return machine_refusal(q);
	}
	version = strtol(major + 8, NULL, 10) * 100 + strtol(minor + 8, NULL, 10);
	if (version < VERSION_LEAST)
		return error_set(ENOTSUP, "%s is QEMU %ld.%ld: 7.2 or later is needed",
				 q->command.word[0], version / 100, version % 100);
	return 0;
}

int machine_start(struct qemu *q)
{
	char *path;
	int err;

	path = options_find_qemu(&q->options);
	if (!path)
		return -errno;
	err = options_command(&q->options, path, &q->command);
	alloc_free(path);
	if (!err)
		err = machine_open_files(q);
	if (!err)
		err = machine_start_keeper(q);
	if (!err)
		err = machine_check_version(q);
	if (!err && qtest_ask(&q->qtest, NULL, "inl 0xcf8"))
		err = machine_refusal(q);
	return err;
}

void machine_stop(struct qemu *q)
{
	const u64 one = 1;

	if (q->have_keeper) {
		write_release(&q->want_stop, true);
		/* if the counter is full, the descriptor is readable already */
		(void)!write(q->wake_fd, &one, sizeof(one));
		pthread_join(q->keeper, NULL);
		q->have_keeper = false;
	}
	machine_close_child_fds(q);
}
