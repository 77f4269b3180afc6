/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks: `starting` is held while the monitor starts or stops, so that a second life does not begin
 * while the first ends. `life` guards the list of listeners and is held while they hear, so that
 * monitor_put() waits for them. `queue.lock` guards the queue; the reader takes no other. Order:
 * starting, life, queue.lock.
 */
#include "odp/monitor.h"
#include "base/error.h"
#include "base/fail.h"
#include "odp/uffd.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUEUE_LEN 4096u /* a power of two */

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static struct listener *listeners; /* under life */
static unsigned int users;	   /* under starting */
static bool threads_run;	   /* under starting */
static pthread_t thread[2];
static int uffd = -1, stop_fd = -1; /* atomic words */
static bool forks_told;		    /* by the kernel */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct notice notice[QUEUE_LEN];
	u32 head, tail;
	bool lost, stop;
	bool reading, serving; /* a thread has that part */
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void push(struct notice n)
{
	pthread_mutex_lock(&queue.lock);
	if (queue.head - queue.tail < QUEUE_LEN)
		queue.notice[queue.head++ % QUEUE_LEN] = n;
	else
		queue.lost = true;
	pthread_cond_signal(&queue.wake);
	pthread_mutex_unlock(&queue.lock);
}

/* Under queue.lock. */
static bool pull(struct notice *n)
{
	if (queue.lost) {
		*n = (struct notice){.all = true};
		queue.lost = false;
		queue.tail = queue.head;
		return true;
	}
	if (queue.head == queue.tail)
		return false;
	*n = queue.notice[queue.tail++ % QUEUE_LEN];
	return true;
}

static void serve(const struct notice *n)
{
	pthread_mutex_lock(&life);
	for (struct listener *l = listeners; l; l = l->next)
		l->hear(n);
	pthread_mutex_unlock(&life);
}

/* The part of the server, with what is queued; gives it back when the queue is empty. */
static void serve_queue(void)
{
	struct notice n;

	pthread_mutex_lock(&queue.lock);
	while (pull(&n)) {
		pthread_mutex_unlock(&queue.lock);
		serve(&n);
		pthread_mutex_lock(&queue.lock);
	}
	queue.serving = false;
	pthread_mutex_unlock(&queue.lock);
}

/*
 * The part of the reader. True: it is given away, and this thread is the server of what is queued.
 * While the other thread serves, events are only queued. False: stop.
 */
static bool read_events(void)
{
	struct pollfd fds[2] = {{.fd = uffd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
	struct notice n;
	bool mine;

	for (;;) {
		if (!uffd_read(fds[0].fd, &n)) {
			if (poll(fds, 2, -1) > 0 && fds[1].revents)
				return false;
			continue;
		}
		push(n);
		pthread_mutex_lock(&queue.lock);
		mine = !queue.serving;
		if (mine) {
			queue.serving = true;
			queue.reading = false;
			pthread_cond_signal(&queue.wake);
		}
		pthread_mutex_unlock(&queue.lock);
		if (mine)
			return true;
	}
}

/* Waits for the part of the reader; false: stop. What a fork handler queued is served first. */
static bool become_reader(void)
{
	bool stop;

	pthread_mutex_lock(&queue.lock);
	for (;;) {
		stop = queue.stop;
		if (stop || !queue.reading)
			break;
		if (!queue.serving && (queue.head != queue.tail || queue.lost)) {
			queue.serving = true;
			pthread_mutex_unlock(&queue.lock);
			serve_queue();
			pthread_mutex_lock(&queue.lock);
			continue;
		}
		pthread_cond_wait(&queue.wake, &queue.lock);
	}
	queue.reading = !stop;
	pthread_mutex_unlock(&queue.lock);
	return !stop;
}

static void *monitor_main(void *arg)
{
	while (become_reader()) {
		if (!read_events())
			return NULL;
		serve_queue();
	}
	return NULL;
}

/* Where the kernel does not tell of forks to who has no privilege, the C library does. */
static void forked_parent(void)
{
	if (read_once(&uffd) >= 0 && !forks_told)
		push((struct notice){.all = true});
}

/* The child must not take its parent's events, nor keep its parent's registrations alive. */
static void forked_child(void)
{
	if (uffd >= 0)
		close(uffd);
	if (stop_fd >= 0)
		close(stop_fd);
	uffd = stop_fd = -1;
	/* nor are its devices the child's; what the child opens starts from nothing */
	pthread_mutex_init(&life, NULL);
	pthread_mutex_init(&starting, NULL);
	pthread_mutex_init(&queue.lock, NULL);
	listeners = NULL;
	users = 0;
	threads_run = false;
	queue.head = queue.tail = 0;
	queue.lost = queue.stop = queue.reading = queue.serving = false;
}

static void handle_forks(void)
{
	pthread_atfork(NULL, forked_parent, forked_child);
}

static int start_thread(pthread_t *id)
{
	sigset_t all, old;
	int err;

	if (fail_here(FAIL_MEMORY, NULL))
		return EAGAIN;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(id, NULL, monitor_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

/* The reader, and who waits to become it. */
static void stop_threads(int n)
{
	const u64 one = 1;
	ssize_t told = write(stop_fd, &one, sizeof(one));

	(void)told; /* a counter at 0 takes it */
	pthread_mutex_lock(&queue.lock);
	queue.stop = true;
	pthread_cond_broadcast(&queue.wake);
	pthread_mutex_unlock(&queue.lock);
	while (n)
		pthread_join(thread[--n], NULL);
	queue.stop = queue.lost = queue.reading = queue.serving = false;
	queue.head = queue.tail = 0;
}

static void close_fds(void)
{
	int fd = uffd;

	write_once(&uffd, -1);
	if (fd >= 0)
		close(fd);
	if (stop_fd >= 0)
		close(stop_fd);
	stop_fd = -1;
}

/* Under starting. No userfaultfd is no error. */
static int start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int err;

	pthread_once(&once, handle_forks);
	write_once(&uffd, uffd_open(&forks_told));
	if (uffd < 0)
		return 0;
	stop_fd = eventfd(0, EFD_CLOEXEC);
	err = stop_fd < 0 ? errno : start_thread(&thread[0]);
	if (!err) {
		err = start_thread(&thread[1]);
		if (err)
			stop_threads(1);
	}
	threads_run = !err;
	if (!err)
		return 0;
	close_fds();
	return error_set(err, "cannot start the threads that notice what happens to memory: too many "
			 "threads or open files");
}

/* Without life held: a thread may be waiting for it. */
static void stop(void)
{
	stop_threads(2);
	close_fds();
}

int monitor_get(struct listener *l)
{
	int err = 0;

	pthread_mutex_lock(&starting);
	if (!users)
		err = start();
	if (!err) {
		users++;
		pthread_mutex_lock(&life);
		if (!l->users++) {
			l->next = listeners;
			listeners = l;
		}
		pthread_mutex_unlock(&life);
	}
	pthread_mutex_unlock(&starting);
	return err;
}

void monitor_put(struct listener *l)
{
	struct listener **p;

	pthread_mutex_lock(&starting);
	pthread_mutex_lock(&life);
	if (!--l->users) {
		for (p = &listeners; *p != l; p = &(*p)->next)
			;
		*p = l->next;
	}
	pthread_mutex_unlock(&life);
	if (!--users && threads_run) {
		stop();
		threads_run = false;
	}
	pthread_mutex_unlock(&starting);
}

bool monitor_on(void)
{
	return read_once(&uffd) >= 0;
}

bool monitor_possible(void)
{
	bool forks;
	int fd = monitor_on() ? -1 : uffd_open(&forks);

	if (fd >= 0)
		close(fd);
	return monitor_on() || fd >= 0;
}

bool monitor_watch(u64 start, u64 end)
{
	int fd = read_once(&uffd);

	return fd >= 0 && uffd_watch(fd, start, end);
}
