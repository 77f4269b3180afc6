/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How contexts begin and end, and how the threads that receive their events begin and end with
 * them.
 */
#include "odp/monitor.h"
#include "odp/odp.h"

#include "odp_rig.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static int setup(void **state)
{
	alarm(100); /* what must not happen here is that something waits for ever */
	open_rig("sim");
	return 0;
}

static int teardown(void **state)
{
	close_rig();
	alarm(0);
	return 0;
}

static int count(struct ib_umem *umem, u64 start, u64 end, void *arg)
{
	(*(int *)arg)++;
	return 0;
}

/* The device may be closed before its context is freed. */
static void the_device_is_closed_first(void **state)
{
	struct device *d = dmamap_open("sim,name=other");
	struct ib_ucontext *c = ib_alloc_ucontext(d, record_range);
	u8 *p = memory(1);
	struct ib_umem *umem = ib_umem_get(c, (u64)p, PAGE, ALL_ACCESS);
	int n = 0;

	assert_false(IS_ERR_OR_NULL(umem));
	dmamap_close(d);
	assert_null(c->device);
	assert_int_equal(PTR_ERR(ib_umem_get(c, (u64)p, PAGE, ALL_ACCESS)), -EINVAL);
	assert_non_null(strstr(dmamap_strerror(), "closed"));
	assert_int_equal(ib_umem_invalidate_range(c, (u64)p, (u64)p + PAGE), 0);
	assert_int_equal(rbt_ib_umem_for_each_in_range(c, 0, ~0ull, count, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(recorded_count(), 0);
	assert_int_equal(fault_in(umem, p, 1, 1), -EFAULT);
	ib_umem_release(umem);
	ib_dealloc_ucontext(c);
	munmap(p, PAGE);
}

/* A context that was freed already, or that is none, is refused by its address alone. */
static void what_is_no_context_is_refused(void **state)
{
	struct ib_ucontext *c = ib_alloc_ucontext(dev, NULL), none = {.device = dev};

	ib_dealloc_ucontext(c);
	ib_dealloc_ucontext(c);
	assert_non_null(strstr(dmamap_strerror(), "not a context"));
	ib_dealloc_ucontext(&none);
	assert_non_null(strstr(dmamap_strerror(), "not a context"));
	/* the rig's own still works */
	u8 *p = memory(1), b;
	struct ib_umem *umem = region(p, PAGE, ALL_ACCESS);

	assert_int_equal(dmamap_bus_read(dev, ib_umem_start_dma_addr(umem), &b, 1), 0);
	ib_umem_release(umem);
	munmap(p, PAGE);
}

/*
 * All memory that can be registered is: the stacks of the threads that receive events, the C
 * library's memory, a sanitizer's. Ending the threads must not wait for events of it.
 */
static void the_monitors_own_memory_is_registered(void **state)
{
	unsigned long start, end;
	char line[512], perms[8];
	struct ib_umem *umem[512];
	int n = 0;
	FILE *maps;

	if (!ib_umem_events_enabled(ctx)) {
		print_message("# passed over: no userfaultfd here\n");
		return;
	}
	maps = fopen("/proc/self/maps", "re");
	assert_non_null(maps);
	while (n < 512 && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) == 3 &&
		    !strncmp(perms, "rw", 2) && end - start <= 1ul << 30)
			umem[n++] = region((void *)start, end - start, READ_ONLY);
	fclose(maps);
	assert_true(n > 4);
	for (int i = 0; i < n; i++)
		ib_umem_release(umem[i]);
	ib_dealloc_ucontext(ctx);
	/* and begins anew */
	ctx = ib_alloc_ucontext(dev, record_range);
	assert_false(IS_ERR_OR_NULL(ctx));
	assert_true(ib_umem_events_enabled(ctx));
}

/* An implicit region that the device read all over: the same, page by page. */
static void an_implicit_region_was_read_across(void **state)
{
	struct ib_umem *umem = region(NULL, SIZE_MAX, READ_ONLY);
	dma_addr_t base = ib_umem_start_dma_addr(umem);
	unsigned long start, end;
	char line[512], perms[8];
	FILE *maps = fopen("/proc/self/maps", "re");
	u8 b;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) == 3 && perms[0] == 'r' &&
		    end <= 1ul << 47 && end - start <= 64ul << 20)
			for (; start < end; start += 64 * PAGE)
				dmamap_bus_read(dev, base + start, &b, 1);
	fclose(maps);
	ib_umem_release(umem);
	ib_dealloc_ucontext(ctx);
	ctx = ib_alloc_ucontext(dev, record_range);
	assert_false(IS_ERR_OR_NULL(ctx));
}

/* The event of a fork brings a descriptor; fork() returns although the process has none left. */
static void a_fork_without_descriptors(void **state)
{
	int fd[1024], n = 0;
	u8 *p = memory(1);
	struct ib_umem *umem = region(p, PAGE, ALL_ACCESS);
	struct rlimit limit, low;

	getrlimit(RLIMIT_NOFILE, &limit);
	low = limit;
	low.rlim_cur = 256;
	setrlimit(RLIMIT_NOFILE, &low);
	for (int i = 0; i < 3; i++) {
		pid_t pid;

		while (n < 1024 && (fd[n] = open("/dev/null", O_RDONLY)) >= 0)
			n++;
		pid = fork();
		if (!pid)
			child_done();
		assert_true(pid > 0 && child_was_done(pid));
	}
	while (n)
		close(fd[--n]);
	setrlimit(RLIMIT_NOFILE, &limit);
	ib_umem_release(umem);
	munmap(p, PAGE);
}

static int own_uffd(u8 *p)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register r = {.range = {(u64)p, PAGE}, .mode = UFFDIO_REGISTER_MODE_MISSING};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0 && !ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &r))
		return fd;
	close(fd);
	return -1;
}

static void *read_one(void *arg)
{
	u8 b;

	return (void *)(intptr_t)dmamap_bus_read(dev, *(dma_addr_t *)arg, &b, 1);
}

static void *release_it(void *arg)
{
	ib_umem_release(arg);
	return NULL;
}

static bool is_listed(struct ib_umem_odp *r)
{
	bool listed;

	pthread_mutex_lock(&odp_lock);
	listed = r->listed;
	pthread_mutex_unlock(&odp_lock);
	return listed;
}

/* A page that is being brought in when its region goes is not mapped any more. */
static void a_region_goes_while_a_page_is_brought_in(void **state)
{
	u8 *p = memory(1);
	struct ib_umem *umem = region(p, PAGE, READ_ONLY);
	struct ib_umem_odp *r = umem->odp_data;
	dma_addr_t at = ib_umem_start_dma_addr(umem);
	struct uffdio_zeropage zero = {.range = {(u64)p, PAGE}};
	struct uffd_msg m;
	pthread_t t[2];
	void *err;
	int fd;

	/* the page takes until this thread brings it, which needs privilege */
	munmap(p, PAGE);
	assert_ptr_equal(mmap(p, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 p);
	fd = own_uffd(p);
	if (fd < 0) {
		print_message("# passed over: no userfaultfd for faults in the kernel\n");
		ib_umem_release(umem);
		munmap(p, PAGE);
		return;
	}
	pthread_create(&t[0], NULL, read_one, &at);
	assert_int_equal(read(fd, &m, sizeof(m)), sizeof(m));
	pthread_create(&t[1], NULL, release_it, umem);
	/* the release waits for the page, so the region is there until the page comes */
	while (is_listed(r))
		usleep(100);
	assert_int_equal(ioctl(fd, UFFDIO_ZEROPAGE, &zero), 0);
	pthread_join(t[0], &err);
	pthread_join(t[1], NULL);
	assert_int_equal((intptr_t)err, -EFAULT);
	close(fd);
	munmap(p, PAGE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_device_is_closed_first),
		T(what_is_no_context_is_refused),
		T(the_monitors_own_memory_is_registered),
		T(an_implicit_region_was_read_across),
		T(a_fork_without_descriptors),
		T(a_region_goes_while_a_page_is_brought_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
