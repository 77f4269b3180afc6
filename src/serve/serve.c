/* SPDX-License-Identifier: BSD-2-Clause */
/* Start and end of a served device, and its thread. */
#include "serve/serve.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"
#include "serve/served.h"

#include <string.h>
#include <time.h>

static void *serve_main(void *arg)
{
	struct served *s = arg;

	while (!read_acquire(&s->stop)) {
		int fd = listen_accept(s);

		if (fd >= 0)
			session_run(s, fd);
		else if (fd != -EAGAIN && fd != -EINTR && fd != -ECONNABORTED)
			/* no descriptor or memory is left: a later attempt may succeed */
			nanosleep(&(struct timespec){.tv_nsec = VFUSER_TICK_MS * 1000000l}, NULL);
	}
	return NULL;
}

static void served_free(struct served *s)
{
	listen_close(s);
	served_device_close(s);
	window_unmap_all(s);
	irq_fini(s);
	serve_link_fini(&s->link);
	windows_fini(&s->windows);
	pthread_mutex_destroy(&s->event_lock);
	alloc_free(s->in);
	alloc_free(s->out);
	alloc_free(s->name);
	alloc_free((void *)(uintptr_t)s->config.spec);
	alloc_free((void *)(uintptr_t)s->config.path);
	alloc_free(s);
}

/* Allocates what does not depend on the device. */
static int served_alloc(struct served *s, const struct serve_config *config)
{
	s->config = *config;
	s->config.spec = alloc_string(config->spec);
	s->config.path = config->path ? alloc_string(config->path) : NULL;
	s->in = alloc_zeroed(SERVE_XFER + 64);
	s->out = alloc_zeroed(SERVE_XFER + 64);
	if (!s->config.spec || (config->path && !s->config.path) || !s->in || !s->out)
		return -ENOMEM;
	return serve_link_init(&s->link);
}

static int served_prepare(struct served *s, const struct serve_config *config)
{
	int err = served_alloc(s, config);

	if (!err)
		err = served_device_open(s);
	if (!err) {
		s->name = alloc_string(dev_name(s->dev));
		err = s->name ? irq_count_kinds(s) : -ENOMEM;
	}
	if (!err && config->path)
		err = listen_open(s);
	return err;
}

struct served *serve_start(const struct serve_config *config)
{
	struct served *s = alloc_zeroed(sizeof(*s));
	int err;

	if (!s)
		return NULL;
	s->listen_fd = -1;
	pthread_mutex_init(&s->event_lock, NULL);
	windows_init(&s->windows);
	irq_init(s);
	err = served_prepare(s, config);
	if (!err && config->path) {
		err = thread_start(&s->thread, serve_main, s);
		if (err)
			err = error_set(err, "cannot start a thread for %s: %s", config->path,
					strerror(err));
	}
	if (!err)
		return s;
	served_free(s);
	errno = -err;
	return NULL;
}

void serve_connection(struct served *s, int fd)
{
	session_run(s, fd);
}

void serve_stop(struct served *s)
{
	if (!s)
		return;
	write_release(&s->stop, true);
	if (s->config.path) {
		serve_link_end(&s->link, 0);
		pthread_join(s->thread, NULL);
	}
	served_free(s);
}

const char *serve_name(const struct served *s)
{
	return s->name;
}

void serve_stats(struct served *s, struct serve_stats *out)
{
	const u64 *from = (const u64 *)&s->stats;
	u64 *to = (u64 *)out;

	for (size_t i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = read_once(&from[i]);
}
