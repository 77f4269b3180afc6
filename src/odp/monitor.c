/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks. `starting` is held while the monitor starts or stops, so that it does not start again
 * before it has stopped. `life` guards the list of listeners and is held while they are called, so
 * that monitor_put() waits for them. The queue has its own lock in event_queue.c. Order: starting,
 * life, the queue's lock.
 */
#include "odp/monitor.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "check/check.h"
#include "odp/uffd.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_NS 20000

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static struct monitor_listener *listeners; /* under life */
static unsigned int users;		   /* under starting */
static bool threads_run;		   /* under starting */
static bool stopping;			   /* atomic: the threads stop using uffd */
/* posted when a thread has started, or has stopped using uffd */
static sem_t parked;
static sem_t leave;   /* posted when uffd is closed and a thread may end */
static int uffd = -1; /* atomic word */
static struct lock bell_lock;
static int bell = -1;	    /* eventfd: stop, or a fork that the kernel does not report was queued;
			       changed under bell_lock */
static bool forks_reported; /* the kernel reports forks */

static struct monitor_worker {
	pthread_t id;
	int poll; /* its own epoll of uffd and the bell */
} worker[2] = {{.poll = -1}, {.poll = -1}};

/* Wakes both threads. A fork handler calls this at any time, also while the bell is closed. */
static void monitor_ring_doorbell(void)
{
	const u64 one = 1;
	ssize_t done;

	lock_acquire(&bell_lock);
	done = write(bell, &one, sizeof(one));
	lock_release(&bell_lock);
	(void)done; /* if the counter is full, the threads are awake */
}

static void monitor_deliver(const struct odp_event *event)
{
	pthread_mutex_lock(&life);
	for (struct monitor_listener *l = listeners; l; l = l->next)
		l->process(event);
	pthread_mutex_unlock(&life);
}

/* Processes the queue, unless the other thread does. */
static void monitor_serve_queue(void)
{
	struct odp_event event;

	if (!event_claim())
		return;
	while (event_next(&event))
		monitor_deliver(&event);
}

static void monitor_wait(sem_t *s)
{
	while (sem_wait(s))
		;
}

/* The calling thread no longer accesses uffd; it ends after uffd was closed. */
static void *monitor_park(void)
{
	sem_post(&parked);
	monitor_wait(&leave);
	return NULL;
}

/*
 * A worker reads one event, then processes the queue. The other thread reads events that arrive
 * meanwhile.
 */
static void *monitor_worker_main(void *arg)
{
	struct monitor_worker *w = arg;
	struct epoll_event event;
	u64 rings;

	/*
	 * The first access to a thread's variables may map memory for them. That must not happen at
	 * an address that the program has just unmapped, so it is done before there are events.
	 */
	check_paging(false);
	sem_post(&parked);
	for (;;) {
		if (epoll_wait(w->poll, &event, 1, -1) != 1)
			continue;
		if (read_acquire(&stopping))
			return monitor_park();
		if (event.data.fd == uffd) {
			if (!event_take(uffd))
				continue;
		} else if (read(event.data.fd, &rings, sizeof(rings)) < 0) {
			continue;
		} else if (read_acquire(&stopping)) {
			monitor_ring_doorbell(); /* the other thread must wake up as well */
			continue;
		}
		monitor_serve_queue();
	}
}

/* If the kernel does not report forks without privilege, the C library's fork handler does. */
static void monitor_forked_parent(void)
{
	if (read_once(&uffd) < 0 || forks_reported)
		return;
	event_add_fork();
	monitor_ring_doorbell();
}

static void monitor_close_fds(void)
{
	int fd = uffd, b;

	write_once(&uffd, -1);
	event_spare_close();
	if (fd >= 0)
		close(fd);
	lock_acquire(&bell_lock);
	b = bell;
	bell = -1;
	if (b >= 0)
		close(b);
	lock_release(&bell_lock);
	for (unsigned int i = 0; i < ARRAY_SIZE(worker); i++) {
		if (worker[i].poll >= 0)
			close(worker[i].poll);
		worker[i].poll = -1;
	}
}

/* The child must neither read its parent's events nor prolong its parent's registrations. */
static void monitor_forked_child(void)
{
	bell_lock = (struct lock)LOCK_INIT;
	event_queue_forget();
	monitor_close_fds();
	/* a device that the child opens starts a new monitor */
	pthread_mutex_init(&life, NULL);
	pthread_mutex_init(&starting, NULL);
	for (struct monitor_listener *l = listeners, *next; l; l = next) {
		next = l->next;
		l->next = NULL;
		l->users = 0;
	}
	listeners = NULL;
	users = 0;
	threads_run = false;
	stopping = false;
}

static void monitor_handle_forks(void)
{
	pthread_atfork(NULL, monitor_forked_parent, monitor_forked_child);
}

/* An event wakes one of the waiting threads; the bell wakes both. */
static int monitor_watch_fds(struct monitor_worker *w)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = uffd},
			   rings = {.events = EPOLLIN, .data.fd = bell};

	w->poll = epoll_create1(EPOLL_CLOEXEC);
	if (w->poll < 0 || epoll_ctl(w->poll, EPOLL_CTL_ADD, uffd, &event) ||
	    epoll_ctl(w->poll, EPOLL_CTL_ADD, bell, &rings))
		return errno;
	return 0;
}

static int monitor_thread_start(struct monitor_worker *w)
{
	int err = monitor_watch_fds(w);

	if (err)
		return err;
	err = thread_start(&w->id, monitor_worker_main, w);
	if (!err)
		monitor_wait(&parked);
	return err;
}

/*
 * Ends the first n threads. Both have stopped using the descriptor when it is closed. From then on
 * no memory is registered, so neither the end of the threads nor joining them causes an event. A
 * program thread that waits for its event to be read continues when the descriptor is closed.
 */
static void monitor_stop(int n)
{
	write_release(&stopping, true);
	monitor_ring_doorbell();
	for (int i = 0; i < n; i++)
		monitor_wait(&parked);
	monitor_close_fds();
	for (int i = 0; i < n; i++)
		sem_post(&leave);
	while (n)
		pthread_join(worker[--n].id, NULL);
	write_release(&stopping, false);
	event_queue_close();
}

/*
 * Starts the two threads. Returns 0 or an errno value such as ENOMEM or EAGAIN; in that case no
 * thread runs and no descriptor is open.
 */
static int monitor_start_threads(void)
{
	int n = 0, err = 0;

	while (!err && n < (int)ARRAY_SIZE(worker)) {
		err = monitor_thread_start(&worker[n]);
		n += !err;
	}
	if (err)
		monitor_stop(n);
	return err;
}

/* Under starting. The absence of userfaultfd is not an error. */
static int monitor_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int err;

	pthread_once(&once, monitor_handle_forks);
	write_once(&uffd, uffd_open(&forks_reported));
	if (uffd < 0)
		return 0;
	sem_init(&parked, 0, 0);
	sem_init(&leave, 0, 0);
	err = event_queue_open(uffd);
	if (err) {
		monitor_close_fds();
		return err;
	}
	lock_acquire(&bell_lock);
	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = bell < 0 ? errno : 0;
	lock_release(&bell_lock);
	if (!err)
		err = monitor_start_threads();
	else
		monitor_stop(0);
	threads_run = !err;
	return !err ? 0
		    : error_set(err, "cannot start the threads that receive invalidation events: "
				     "too many threads or open files (ulimit -u, ulimit -n)");
}

int monitor_get(struct monitor_listener *l)
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

void monitor_put(struct monitor_listener *l)
{
	struct monitor_listener **p;

	pthread_mutex_lock(&starting);
	if (!l->users) { /* in a child of fork: it belongs to the parent */
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
		monitor_stop(ARRAY_SIZE(worker));
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

bool monitor_settle(unsigned int tries)
{
	const struct timespec pause = {.tv_nsec = SETTLE_NS};
	int fd = read_once(&uffd);

	while (fd >= 0 && uffd_in_flight(fd, event_queue_page())) {
		if (!--tries)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

bool monitor_watched(u64 va)
{
	int fd = read_once(&uffd);

	return fd >= 0 && uffd_watched(fd, va);
}
