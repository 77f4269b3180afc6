/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks: `starting` is held while the monitor starts or stops, so that a second life does not begin
 * while the first ends. `life` guards the list of listeners and is held while they hear, so that
 * monitor_put() waits for them. `queue.lock` guards the queue; who has an event in hand and does
 * not serve takes no other. Order:
 * starting, life, queue.lock.
 */
#include "odp/monitor.h"
#include "base/error.h"
#include "base/fail.h"
#include "odp/uffd.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUEUE_LEN 4096u /* a power of two */

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static struct listener *listeners; /* under life */
static unsigned int users;	   /* under starting */
static bool threads_run;	   /* under starting */
static int uffd = -1;		   /* atomic word */
static int bell = -1;	/* eventfd: stop, or something was queued that is no event. Atomic word */
static bool forks_told; /* by the kernel */

static struct worker {
	pthread_t id;
	int poll; /* epoll of its own on both */
} worker[2] = {{.poll = -1}, {.poll = -1}};

/*
 * Atomic: events that may have been read and are not served. It is raised before the read, which is
 * what lets the thread that unmaps go on.
 */
u32 monitor_unserved cacheline;

static struct {
	pthread_mutex_t lock;
	struct odp_event odp_event[QUEUE_LEN];
	u32 head, tail;
	u32 lost; /* events that the queue had no room for */
	bool stop;
	bool serving; /* a thread is serving what is queued */
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void monitor_ring_doorbell(void)
{
	const u64 one = 1;
	ssize_t told = write(read_once(&bell), &one, sizeof(one));

	(void)told; /* a counter that is full is heard as well */
}

static void unserved_add(u32 n)
{
	__atomic_fetch_add(&monitor_unserved, n, __ATOMIC_SEQ_CST);
}

/* Of those that monitor_unserved counts. */
static void monitor_push(struct odp_event n)
{
	pthread_mutex_lock(&queue.lock);
	if (queue.head - queue.tail < QUEUE_LEN)
		queue.odp_event[queue.head++ % QUEUE_LEN] = n;
	else
		queue.lost++;
	pthread_mutex_unlock(&queue.lock);
}

/* Under queue.lock. For how many events the notice stands; 0: there is none. */
static u32 monitor_pull(struct odp_event *n)
{
	u32 count = queue.lost;

	if (queue.lost) {
		*n = (struct odp_event){.all = true};
		count += queue.head - queue.tail;
		queue.lost = 0;
		queue.tail = queue.head;
		return count;
	}
	if (queue.head == queue.tail)
		return 0;
	*n = queue.odp_event[queue.tail++ % QUEUE_LEN];
	return 1;
}

static void monitor_deliver(const struct odp_event *n)
{
	pthread_mutex_lock(&life);
	for (struct listener *l = listeners; l; l = l->next)
		l->hear(n);
	pthread_mutex_unlock(&life);
}

/* Serves what is queued, unless the other thread does. */
static void serve_queue(void)
{
	struct odp_event n;
	u32 count;

	pthread_mutex_lock(&queue.lock);
	if (!queue.serving) {
		queue.serving = true;
		while ((count = monitor_pull(&n))) {
			pthread_mutex_unlock(&queue.lock);
			monitor_deliver(&n);
			unserved_add(-count);
			pthread_mutex_lock(&queue.lock);
		}
		queue.serving = false;
	}
	pthread_mutex_unlock(&queue.lock);
}

static bool monitor_is_stopping(void)
{
	bool stop;

	pthread_mutex_lock(&queue.lock);
	stop = queue.stop;
	pthread_mutex_unlock(&queue.lock);
	return stop;
}

/* One event at a time: the next is the other thread's, if it comes before this one was served. */
static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct epoll_event event;
	struct odp_event n;
	u64 rings;

	for (;;) {
		if (epoll_wait(w->poll, &event, 1, -1) != 1)
			continue;
		if (event.data.fd == uffd) {
			unserved_add(1);
			if (!uffd_read(uffd, &n)) {
				unserved_add(-1u);
				continue;
			}
			monitor_push(n);
		} else if (monitor_is_stopping()) {
			return NULL;
		} else if (read(event.data.fd, &rings, sizeof(rings)) < 0) {
			continue;
		}
		serve_queue();
	}
}

/* Where the kernel does not tell of forks to who has no privilege, the C library does. */
static void forked_parent(void)
{
	if (read_once(&uffd) < 0 || forks_told)
		return;
	unserved_add(1);
	monitor_push((struct odp_event){.all = true});
	monitor_ring_doorbell();
}

static void monitor_close_fds(void)
{
	int fd = uffd, b = bell;

	write_once(&uffd, -1);
	write_once(&bell, -1);
	if (fd >= 0)
		close(fd);
	if (b >= 0)
		close(b);
	for (unsigned int i = 0; i < ARRAY_SIZE(worker); i++) {
		if (worker[i].poll >= 0)
			close(worker[i].poll);
		worker[i].poll = -1;
	}
}

/* The child must not take its parent's events, nor keep its parent's registrations alive. */
static void forked_child(void)
{
	monitor_close_fds();
	/* nor are its devices the child's; what the child opens starts from nothing */
	pthread_mutex_init(&life, NULL);
	pthread_mutex_init(&starting, NULL);
	pthread_mutex_init(&queue.lock, NULL);
	for (struct listener *l = listeners, *next; l; l = next) {
		next = l->next;
		l->next = NULL;
		l->users = 0;
	}
	listeners = NULL;
	users = 0;
	threads_run = false;
	queue.head = queue.tail = 0;
	queue.lost = 0;
	queue.stop = queue.serving = false;
	monitor_unserved = 0;
}

static void monitor_handle_forks(void)
{
	pthread_atfork(NULL, forked_parent, forked_child);
}

/* An event wakes one of the two, and one that waits; a ring wakes both. */
static int watch_fds(struct worker *w)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = uffd},
			   rings = {.events = EPOLLIN, .data.fd = bell};

	w->poll = epoll_create1(EPOLL_CLOEXEC);
	if (w->poll < 0 || epoll_ctl(w->poll, EPOLL_CTL_ADD, uffd, &event) ||
	    epoll_ctl(w->poll, EPOLL_CTL_ADD, bell, &rings))
		return errno;
	return 0;
}

static int start_thread(struct worker *w)
{
	sigset_t all, old;
	int err = watch_fds(w);

	if (err)
		return err;
	if (fail_here(FAIL_MEMORY, NULL))
		return EAGAIN;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&w->id, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

static void stop_threads(int n)
{
	pthread_mutex_lock(&queue.lock);
	queue.stop = true;
	pthread_mutex_unlock(&queue.lock);
	monitor_ring_doorbell();
	while (n)
		pthread_join(worker[--n].id, NULL);
	queue.stop = queue.serving = false;
	queue.lost = queue.head = queue.tail = 0;
	write_once(&monitor_unserved, 0);
}

/* Under starting. No userfaultfd is no error. */
static int monitor_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int err;

	pthread_once(&once, monitor_handle_forks);
	write_once(&uffd, uffd_open(&forks_told));
	if (uffd < 0)
		return 0;
	write_once(&bell, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	err = bell < 0 ? errno : start_thread(&worker[0]);
	if (!err) {
		err = start_thread(&worker[1]);
		if (err)
			stop_threads(1);
	}
	threads_run = !err;
	if (!err)
		return 0;
	monitor_close_fds();
	return error_set(err,
			 "cannot start the threads that notice what happens to memory: too many "
			 "threads or open files");
}

/* Without life held: a thread may be waiting for it. */
static void monitor_stop(void)
{
	stop_threads(2);
	monitor_close_fds();
}

int monitor_get(struct listener *l)
{
	int err = 0;

	pthread_mutex_lock(&starting);
	if (!users)
		err = monitor_start();
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
	if (!l->users) { /* a parent's, in the child */
		pthread_mutex_unlock(&starting);
		return;
	}
	pthread_mutex_lock(&life);
	if (!--l->users) {
		for (p = &listeners; *p != l; p = &(*p)->next)
			;
		*p = l->next;
	}
	pthread_mutex_unlock(&life);
	if (!--users && threads_run) {
		monitor_stop();
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
