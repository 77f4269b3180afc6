/* SPDX-License-Identifier: BSD-2-Clause */
/* A served device and one connection, with a failure at every place. */
#include "failnth.h"

#include "serve/serve.h"
#include "vfuser/channel.h"
#include "vfuser/version.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static char path[64];
static int memory, event;

static void put(struct vfuser_channel *c, u16 command, const void *p, size_t n, int fd)
{
	struct vfuser_header head = {.command = command};
	struct iovec part = {(void *)(uintptr_t)p, n};

	vfuser_send(c, head, &part, 1, &fd, fd >= 0, 1000);
}

/* Everything that allocates: mappings of both kinds, eventfds, a reset, the state after the end. */
static void put_all(struct vfuser_channel *c)
{
	struct vfuser_dma_map map = {.argsz = sizeof(map),
				     .flags = VFUSER_MAP_READ | VFUSER_MAP_WRITE,
				     .size = PAGE_BYTES};
	struct vfuser_set_irqs set = {.argsz = sizeof(set),
				      .flags = VFUSER_SET_EVENTFD | VFUSER_SET_TRIGGER,
				      .index = VFUSER_IRQ_MSI,
				      .count = 1};
	u8 version[VFUSER_VERSION_MAX];
	struct vfuser_version v;

	vfuser_version_defaults(&v);
	v.twin_socket = true;
	put(c, VFUSER_VERSION, version, vfuser_version_format(version, &v), -1);
	put(c, VFUSER_DMA_MAP, &map, sizeof(map), memory);
	map.address = 1ull << 30;
	put(c, VFUSER_DMA_MAP, &map, sizeof(map), -1);
	put(c, VFUSER_SET_IRQS, &set, sizeof(set), event);
	put(c, VFUSER_RESET, NULL, 0, -1);
}

static int serve_once(void *arg)
{
	const struct serve_config config = {.spec = arg};
	static struct vfuser_channel c;
	struct served *s = serve_start(&config);
	int err = -errno, fd[2];

	if (!s)
		return err ? err : 1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(vfuser_channel_init(&c, fd[0]), 0);
	put_all(&c);
	shutdown(fd[0], SHUT_WR);
	serve_connection(s, fd[1]);
	vfuser_channel_fini(&c);
	serve_stop(s);
	return 0;
}

static int serve_path(void *arg)
{
	const struct serve_config config = {.spec = arg, .path = path};
	struct served *s = serve_start(&config);
	int err = -errno;

	if (!s) {
		assert_int_equal(access(path, F_OK), -1);
		return err ? err : 1;
	}
	serve_stop(s);
	assert_int_equal(access(path, F_OK), -1);
	return 0;
}

static void test_serve_connection(void **state)
{
	failnth_alone("connection", serve_once, (void *)(uintptr_t) "sim:edu");
}

static void test_serve_start(void **state)
{
	failnth_alone("start", serve_path, (void *)(uintptr_t) "sim:edu");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve_connection),
		cmocka_unit_test(test_serve_start),
	};

	snprintf(path, sizeof(path), "/tmp/dmamap-failnth-%d.sock", (int)getpid());
	memory = memfd_create("guest", MFD_CLOEXEC);
	event = eventfd(0, EFD_CLOEXEC);
	if (memory < 0 || event < 0 || ftruncate(memory, PAGE_BYTES))
		return 1;
	return cmocka_run_group_tests(tests, failnth_setup, failnth_teardown);
}
