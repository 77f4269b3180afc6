/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AF_XDP without libxdp: makes the system calls on an interface, with valid and invalid arguments,
 * and prints what each call returns. The output must be the same on three kinds of interfaces: one
 * of the system, a card of libdmamap-xsk, and one of the system while the library is preloaded
 * (xsk_preload.sh).
 *
 * usage: xsk_raw IFNAME
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_xdp.h>
#include <net/if.h>

#include "xsk_say.h"

#define SIZE (1u << 20)
#define RING 64

static struct xdp_umem_reg reg = {.len = SIZE, .chunk_size = CHUNK};
static struct xdp_mmap_offsets off;

static int set(int fd, int name, int value)
{
	return setsockopt(fd, SOL_OF_XDP, name, &value, sizeof(value));
}

static char *map(int fd, size_t entries, size_t size, unsigned long long at)
{
	size_t len = off.rx.desc + entries * size;
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)at);

	return p == MAP_FAILED ? NULL : p;
}

static int bind_to(int fd, const char *ifname, unsigned int queue, unsigned short flags, int shared)
{
	struct sockaddr_xdp a = {.sxdp_family = AF_XDP,
				 .sxdp_flags = flags,
				 .sxdp_ifindex = if_nametoindex(ifname),
				 .sxdp_queue_id = queue,
				 .sxdp_shared_umem_fd = (unsigned int)shared};

	return bind(fd, (struct sockaddr *)&a, sizeof(a));
}

static void test_unbound(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
	char c;

	SAY(poll(&p, 1, 0));
	SAY(sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0));
	SAY(sendto(fd, NULL, 0, 0, NULL, 0));
	SAY(recvfrom(fd, NULL, 0, MSG_DONTWAIT, NULL, NULL));
	SAY(write(fd, "x", 1));
	SAY(read(fd, &c, 1));
}

static void test_rings(int fd)
{
	int n = RING;

	SAY(map(fd, RING, 8, XDP_UMEM_PGOFF_FILL_RING) == NULL);
	SAY(setsockopt(fd, SOL_OF_XDP, XDP_RX_RING, &n, 3));
	SAY(set(fd, XDP_TX_RING, 63));
	SAY(set(fd, XDP_TX_RING, 0));
	SAY(set(fd, XDP_TX_RING, RING));
	SAY(set(fd, XDP_TX_RING, RING));
	SAY(set(fd, XDP_RX_RING, RING));
	SAY(set(fd, XDP_UMEM_FILL_RING, RING));
	SAY(set(fd, 99, RING));
	SAY(map(fd, 100000, 16, XDP_PGOFF_RX_RING) == NULL);
	SAY(map(fd, RING, 16, 4096) == NULL);
}

static void test_lengths(int fd)
{
	struct xdp_statistics buffer;
	socklen_t len = 23;
	int n = RING;

	SAY(getsockopt(fd, SOL_OF_XDP, XDP_STATISTICS, &buffer, &len));
	len = 3;
	SAY(getsockopt(fd, SOL_OF_XDP, XDP_OPTIONS, &buffer, &len));
	SAY(getsockopt(fd, SOL_OF_XDP, XDP_MMAP_OFFSETS, &buffer, &len));
	len = (socklen_t)-1;
	SAY(getsockopt(fd, SOL_OF_XDP, XDP_STATISTICS, &buffer, &len));
	SAY(setsockopt(fd, SOL_OF_XDP, XDP_UMEM_FILL_RING, &n, 0));
	SAY(setsockopt(fd, SOL_OF_XDP, XDP_UMEM_FILL_RING, &n, (socklen_t)-1));
	SAY(setsockopt(fd, SOL_OF_XDP, XDP_UMEM_REG, &n, sizeof(n)));
}

static void test_umem(int fd)
{
	struct xdp_umem_reg bad = reg;

	SAY(setsockopt(fd, SOL_OF_XDP, XDP_UMEM_REG, &reg, 16));
	bad.chunk_size = 1024;
	SAY(setsockopt(fd, SOL_OF_XDP, XDP_UMEM_REG, &bad, sizeof(bad)));
	bad = reg;
	bad.addr++;
	SAY(setsockopt(fd, SOL_OF_XDP, XDP_UMEM_REG, &bad, sizeof(bad)));
	SAY(setsockopt(fd, SOL_OF_XDP, XDP_UMEM_REG, &reg, sizeof(reg)));
	SAY(setsockopt(fd, SOL_OF_XDP, XDP_UMEM_REG, &reg, sizeof(reg)));
}

static void test_bad_bind(int fd, const char *ifname)
{
	struct sockaddr_xdp a = {.sxdp_family = AF_INET, .sxdp_ifindex = if_nametoindex(ifname)};

	SAY(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	a.sxdp_family = AF_XDP;
	SAY(bind(fd, (struct sockaddr *)&a, 4));
	SAY(bind_to(fd, "no-such-name", 0, XDP_COPY, 0));
	SAY(bind_to(fd, ifname, 99, XDP_COPY, 0));
	SAY(bind_to(fd, ifname, 0, 0x100, 0));
	SAY(bind_to(fd, ifname, 0, XDP_COPY | XDP_ZEROCOPY, 0));
}

static void test_shared(int fd, const char *ifname)
{
	int second = socket(AF_XDP, SOCK_RAW, 0), third = socket(AF_XDP, SOCK_RAW, 0);

	SAY(set(second, XDP_TX_RING, RING));
	SAY(bind_to(second, ifname, 0, XDP_SHARED_UMEM | XDP_COPY, fd));
	SAY(bind_to(second, ifname, 0, XDP_SHARED_UMEM, 0));
	SAY(bind_to(second, ifname, 0, XDP_SHARED_UMEM, second));
	SAY(bind_to(second, ifname, 0, XDP_SHARED_UMEM, fd));
	/* its TX ring was never mapped */
	SAY(sendto(second, NULL, 0, MSG_DONTWAIT, NULL, 0));
	/* a program with its own UMEM on a queue that is in use */
	SAY(setsockopt(third, SOL_OF_XDP, XDP_UMEM_REG, &reg, sizeof(reg)));
	SAY(set(third, XDP_RX_RING, RING));
	SAY(set(third, XDP_UMEM_FILL_RING, RING));
	SAY(set(third, XDP_UMEM_COMPLETION_RING, RING));
	SAY(bind_to(third, ifname, 0, XDP_COPY, 0));
	SAY(close(third));
	SAY(close(second));
}

/* Sends through rings that were mapped twice. The fill ring was filled before the bind. */
static void test_send(int fd, char *tx, const char *again, char *comp)
{
	struct xdp_desc *d = (struct xdp_desc *)(void *)(tx + off.tx.desc);
	unsigned int *produced = (unsigned int *)(void *)(tx + off.tx.producer);
	const unsigned int *seen = (const unsigned int *)(const void *)(again + off.tx.producer);
	const unsigned int *done = (const unsigned int *)(const void *)(comp + off.cr.producer);
	const unsigned int *consumed =
		(const unsigned int *)(const void *)(again + off.tx.consumer);

	for (unsigned int i = 0; i < 8; i++)
		frame_put(&d[i], (char *)(unsigned long)reg.addr, i);
	__atomic_store_n(produced, 8, __ATOMIC_RELEASE);
	SAY(*seen);
	for (int ms = 0; ms < LONG_MS && __atomic_load_n(done, __ATOMIC_ACQUIRE) < 8; ms++)
		kick(fd);
	SAY(*done);
	SAY(*consumed);
}

static void test_bound(int fd, const char *ifname)
{
	SAY(bind_to(fd, ifname, 0, XDP_COPY, 0));
	SAY(set(fd, XDP_TX_RING, RING));
	SAY(setsockopt(fd, SOL_OF_XDP, XDP_UMEM_REG, &reg, sizeof(reg)));
	SAY(map(fd, RING, 16, XDP_PGOFF_RX_RING) == NULL);
}

static void fork_between(void)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(0);
	SAY(waitpid(pid, &status, 0) == pid && !status);
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0) : -1;
	char *tx, *again, *fill, *comp;
	socklen_t len = sizeof(off);

	if (fd < 0)
		return 77;
	setvbuf(stdout, NULL, _IOLBF, 0);
	reg.addr = (unsigned long)mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SAY(socket(AF_XDP, SOCK_DGRAM, 0));
	SAY(socket(AF_XDP, SOCK_RAW, 1));
	SAY(getsockopt(fd, SOL_OF_XDP, XDP_MMAP_OFFSETS, &off, &len));
	test_unbound(fd);
	test_lengths(fd);
	test_rings(fd);
	SAY(bind_to(fd, argv[1], 0, XDP_COPY, 0));
	test_umem(fd);
	SAY(bind_to(fd, argv[1], 0, XDP_COPY, 0));
	SAY(set(fd, XDP_UMEM_COMPLETION_RING, RING));
	test_bad_bind(fd, argv[1]);
	tx = map(fd, RING, 16, XDP_PGOFF_TX_RING);
	again = map(fd, RING, 16, XDP_PGOFF_TX_RING);
	fill = map(fd, RING, 8, XDP_UMEM_PGOFF_FILL_RING);
	comp = map(fd, RING, 8, XDP_UMEM_PGOFF_COMPLETION_RING);
	SAY(tx && again && tx != again && fill && comp);
	*(__u64 *)(void *)(fill + off.fr.desc) = CHUNK;
	*(unsigned int *)(void *)(fill + off.fr.producer) = 1;
	fork_between();
	SAY(bind_to(fd, argv[1], 0, XDP_COPY, 0));
	SAY(*(unsigned int *)(void *)(fill + off.fr.producer));
	SAY(*(__u64 *)(void *)(fill + off.fr.desc));
	test_bound(fd, argv[1]);
	test_send(fd, tx, again, comp);
	test_shared(fd, argv[1]);
	SAY(munmap(again, off.tx.desc + (size_t)RING * 16));
	SAY(close(fd));
	return 0;
}
