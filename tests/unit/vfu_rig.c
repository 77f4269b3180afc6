/* SPDX-License-Identifier: BSD-2-Clause */
#include "fd_message.h"
#include "vfu_serve.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROOM	 (1u << 20)
#define PATIENCE 60000 /* milliseconds */

struct vfu_rig rig;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rig and its connections */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_t listener;
static int listen_fd = -1;
static char folder[48];

void rig_lock(void)
{
	pthread_mutex_lock(&lock);
}

void rig_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

int rig_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

bool rig_raw(struct rig_conn *c, const void *bytes, size_t n, const int *fds, u32 n_fds)
{
	return fd_message_send(c->channel.fd, bytes, n, fds, n_fds, 0);
}

void rig_reply_with(struct rig_conn *c, const struct vfuser_message *m, const void *data, u32 size,
		    const int *fd, u32 n_fds)
{
	const struct vfuser_header head = {
		.id = m->head.id, .command = m->head.command, .flags = VFUSER_REPLY};
	struct iovec part = {(void *)(uintptr_t)data, size};

	pthread_mutex_lock(&c->send);
	vfuser_send(&c->channel, head, &part, 1, fd, n_fds, PATIENCE);
	pthread_mutex_unlock(&c->send);
}

void rig_reply(struct rig_conn *c, const struct vfuser_message *m, int err, const void *data,
	       u32 size)
{
	if (m->head.flags & VFUSER_NO_REPLY)
		return;
	pthread_mutex_lock(&c->send);
	vfuser_reply(&c->channel, &m->head, err, data, size, PATIENCE);
	pthread_mutex_unlock(&c->send);
}

/* The reply to a request that a thread of the test has sent. */
static void deliver(struct rig_conn *c, const struct vfuser_message *m)
{
	if (!c->waits || c->done || m->head.id != c->wait_id)
		return;
	c->wait_error = m->head.flags & VFUSER_ERROR ? m->head.error : 0;
	c->wait_size = m->size;
	memcpy(c->wait_data, m->data, m->size);
	c->done = true;
	pthread_cond_broadcast(&changed);
}

/* Receives and processes one message. False: the connection has ended. */
static bool process_one(struct rig_conn *c, struct vfuser_message *m, u64 timeout_ms)
{
	int err = vfuser_receive(&c->channel, m, timeout_ms);

	if (err == -EAGAIN)
		return true;
	if (err)
		return false;
	rig_lock();
	if ((m->head.flags & VFUSER_TYPE) == VFUSER_REPLY)
		deliver(c, m);
	else if (!rig.hook || !rig.hook(c, m))
		rig_serve(c, m);
	rig_unlock();
	vfuser_message_close(m);
	return true;
}

static void conn_release(struct rig_conn *c)
{
	rig_lock();
	while (c->n_maps)
		rig_remove_map(c, &c->map[0]);
	for (u32 kind = 0; kind < 3; kind++)
		rig_remove_vectors(c, kind, 0, RIG_VECTORS);
	c->ended = true;
	rig.open--;
	pthread_cond_broadcast(&changed);
	vfuser_channel_fini(&c->channel);
	rig_unlock();
}

static void *conn_main(void *arg)
{
	struct rig_conn *c = arg;

	while (process_one(c, &c->in, VFUSER_FOREVER_MS))
		;
	conn_release(c);
	return NULL;
}

static void conn_start(int fd)
{
	struct rig_conn *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	assert_int_equal(vfuser_channel_init(&c->channel, fd), 0);
	c->in.room = ROOM;
	c->in.data = malloc(ROOM);
	c->wait_data = malloc(ROOM);
	memset(c->vector_fd, 0xff, sizeof(c->vector_fd));
	pthread_mutex_init(&c->send, NULL);
	rig_lock();
	c->next = rig.conns;
	rig.conns = rig.newest = c;
	rig.open++;
	rig.connections++;
	pthread_cond_broadcast(&changed);
	assert_int_equal(pthread_create(&c->thread, NULL, conn_main, c), 0);
	rig_unlock();
}

static void *listen_main(void *arg)
{
	int fd;

	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		conn_start(fd);
	return NULL;
}

static void wait_changed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec++;
	pthread_cond_timedwait(&changed, &lock, &t);
}

static int answer_of(struct rig_conn *c, u64 n, void *buf, bool write)
{
	if (!c->done)
		return -EIO;
	if (c->wait_error)
		return -(int)c->wait_error;
	assert_int_equal(c->wait_size, sizeof(struct vfuser_dma_access) + (write ? 0 : n));
	if (!write)
		memcpy(buf, c->wait_data + sizeof(struct vfuser_dma_access), n);
	return 0;
}

/* Sends the request. Under the lock. */
static void ask(struct rig_conn *c, u64 address, const void *buf, u64 n, bool write)
{
	const struct vfuser_dma_access a = {address, n};
	const struct iovec part[2] = {{(void *)(uintptr_t)&a, sizeof(a)},
				      {(void *)(uintptr_t)buf, write ? n : 0}};
	struct vfuser_header head = {.command = write ? VFUSER_DMA_WRITE : VFUSER_DMA_READ};

	head.id = ++c->wait_id;
	c->waits = true;
	c->done = false;
	pthread_mutex_lock(&c->send);
	vfuser_send(&c->channel, head, part, 2, NULL, 0, PATIENCE);
	pthread_mutex_unlock(&c->send);
}

int rig_access_message(struct rig_conn *c, u64 address, void *buf, u64 n, bool write)
{
	int err;

	rig_lock();
	while (c->waits && !c->ended)
		wait_changed();
	if (!c->ended)
		ask(c, address, buf, n, write);
	while (!c->ended && !c->done)
		wait_changed();
	err = answer_of(c, n, buf, write);
	c->waits = c->done = false;
	pthread_cond_broadcast(&changed);
	rig_unlock();
	return err;
}

int rig_wait_reply(struct rig_conn *c)
{
	int err;

	rig_lock();
	while (!c->ended && !c->done)
		wait_changed();
	err = c->done ? -(int)c->wait_error : -EIO;
	c->waits = c->done = false;
	rig_unlock();
	return err;
}

int rig_access_inside(struct rig_conn *c, u64 address, void *buf, u64 n, bool write)
{
	struct vfuser_message m = {.data = malloc(ROOM), .room = ROOM};
	bool alive = true;
	int err;

	ask(c, address, buf, n, write);
	while (alive && !c->done) {
		rig_unlock();
		alive = process_one(c, &m, VFUSER_FOREVER_MS);
		rig_lock();
	}
	err = answer_of(c, n, buf, write);
	c->waits = c->done = false;
	free(m.data);
	return err;
}

/* Whether all of the range is mapped, and a part of it only by message. */
static int range_kind(struct rig_conn *c, u64 address, u64 n, bool write, bool *message)
{
	*message = false;
	for (u64 done = 0; done < n;) {
		const struct rig_map *map = rig_find_map(c, address + done);

		if (!map || !(write ? map->write : map->read))
			return -EFAULT;
		*message |= !map->base;
		done += min_u64(n - done, map->address + map->size - (address + done));
	}
	return 0;
}

static void copy_direct(struct rig_conn *c, u64 address, u8 *buf, u64 n, bool write)
{
	for (u64 done = 0, part; done < n; done += part) {
		const struct rig_map *map = rig_find_map(c, address + done);
		u64 in = address + done - map->address;

		part = min_u64(n - done, map->size - in);
		memcpy(write ? map->base + in : buf + done, write ? buf + done : map->base + in,
		       part);
	}
}

int rig_access(struct rig_conn *c, u64 address, void *buf, u64 n, bool write)
{
	bool message;
	int err;

	rig_lock();
	err = c->ended ? -EIO : range_kind(c, address, n, write, &message);
	if (!err && !message)
		copy_direct(c, address, buf, n, write);
	rig_unlock();
	for (u64 done = 0, part; !err && message && done < n; done += part) {
		part = min_u64(n - done, 65536);
		err = rig_access_message(c, address + done, (u8 *)buf + done, part, write);
	}
	return err;
}

void rig_line(struct rig_conn *c, bool level)
{
	rig_lock();
	c->line = level;
	rig_signal_line(c);
	rig_unlock();
}

void rig_signal(struct rig_conn *c, enum vfuser_irq kind, unsigned int vector)
{
	rig_lock();
	rig_signal_fd(c->vector_fd[kind][vector]);
	rig_unlock();
}

void rig_kill(struct rig_conn *c)
{
	vfuser_channel_stop(&c->channel);
}

const char *rig_spec(const char *keys)
{
	static _Thread_local char text[256];

	snprintf(text, sizeof(text), "vfio-user:%s%s", rig.path, keys);
	return text;
}

u32 rig_bar0_read(u64 offset)
{
	return __atomic_load_n((u32 *)(void *)(rig.bar0 + offset), __ATOMIC_ACQUIRE);
}

void rig_bar0_write(u64 offset, u32 value)
{
	__atomic_store_n((u32 *)(void *)(rig.bar0 + offset), value, __ATOMIC_RELEASE);
}

void rig_start(void)
{
	struct sockaddr_un a;

	rig = (struct vfu_rig){.intx = 1,
			       .msi = 1,
			       .msix = 5,
			       .max_msg_fds = 8,
			       .max_dma_maps = RIG_MAPS,
			       .minor = 1,
			       .bar0_fd = memfd_create("bar0", MFD_CLOEXEC)};
	assert_true(rig.bar0_fd >= 0 && !ftruncate(rig.bar0_fd, 4096 + RIG_BAR0));
	rig.bar0 = mmap(NULL, RIG_BAR0, PROT_READ | PROT_WRITE, MAP_SHARED, rig.bar0_fd, 4096);
	assert_true(rig.bar0 != MAP_FAILED);
	strcpy(folder, "/tmp/dmamap-vfu-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(rig.path, sizeof(rig.path), "%s/s", folder);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(vfuser_address(rig.path, &a), 0);
	assert_int_equal(bind(listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listen_fd, 16), 0);
	assert_int_equal(pthread_create(&listener, NULL, listen_main, NULL), 0);
}

void rig_wait_closed(void)
{
	int left;

	rig_lock();
	for (int seconds = 0; rig.open && seconds < 20; seconds++)
		wait_changed();
	left = (int)rig.open;
	rig_unlock();
	assert_int_equal(left, 0); /* a device was left open */
}

void rig_end(void)
{
	struct rig_conn *c;

	shutdown(listen_fd, SHUT_RDWR);
	pthread_join(listener, NULL);
	close(listen_fd);
	rig_wait_closed();
	while ((c = rig.conns)) {
		rig.conns = c->next;
		pthread_join(c->thread, NULL);
		pthread_mutex_destroy(&c->send);
		free(c->in.data);
		free(c->wait_data);
		free(c);
	}
	munmap(rig.bar0, RIG_BAR0);
	close(rig.bar0_fd);
	unlink(rig.path);
	rmdir(folder);
}

static struct page *rig_page;

int rig_begin_counted(void **state)
{
	rig_start();
	rig_page = alloc_page(GFP_KERNEL); /* RAM and its file stay */
	dmamap_close(dmamap_open("sim"));  /* and the file of DMAMAP_CHECK */
	rig.fds_before = rig_fds();
	return 0;
}

int rig_end_counted(void **state)
{
	rig_wait_closed();
	assert_int_equal(rig_fds(), rig.fds_before);
	__free_page(rig_page);
	rig_end();
	return 0;
}
