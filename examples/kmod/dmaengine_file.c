/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file operations of the DMA engine's device. read() and write() move data at the file position
 * in the card's memory, through pages and a scatterlist. ioctl() moves parts of a coherent buffer
 * that mmap() maps, optionally without waiting; poll() and DMAENG_IOC_WAIT then report the end of
 * the transfer.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmaengine_private.h"

static enum dma_data_direction dmaeng_direction(unsigned int c)
{
	return c == DMAENG_TO_CARD ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
}

/* Under the channel's lock. Moves the pages of a table to or from the card's memory at `offset`. */
static int dmaeng_move(struct dmaeng *d, unsigned int c, struct sg_table *table, u32 offset)
{
	struct dmaeng_channel *ch = &d->channel[c];
	struct scatterlist *sg;
	unsigned int i;
	int err = dma_map_sgtable(&d->pdev->dev, table, dmaeng_direction(c), 0);

	if (err)
		return err;
	for_each_sgtable_dma_sg (table, sg, i) {
		dmaeng_put(ch, sg_dma_address(sg), offset, sg_dma_len(sg));
		offset += sg_dma_len(sg);
	}
	dmaeng_go(d, c);
	err = dmaeng_wait(d, c);
	dma_unmap_sgtable(&d->pdev->dev, table, dmaeng_direction(c), 0);
	return err;
}

/* Pages for one call of read() or write(). */
struct dmaeng_pages {
	struct page *page[PAGES_AT_ONCE];
	unsigned int n;
	struct sg_table table;
};

static void dmaeng_pages_free(struct dmaeng_pages *p)
{
	unsigned int i;

	for (i = 0; i < p->n; i++)
		__free_page(p->page[i]);
	kfree(p);
}

static struct dmaeng_pages *dmaeng_pages_alloc(size_t bytes)
{
	struct dmaeng_pages *p = kzalloc(sizeof(*p), GFP_KERNEL);
	int err = -ENOMEM;

	if (!p)
		return ERR_PTR(-ENOMEM);
	for (; p->n < DIV_ROUND_UP(bytes, PAGE_SIZE); p->n++) {
		p->page[p->n] = alloc_page(GFP_KERNEL);
		if (!p->page[p->n])
			goto fail;
	}
	err = sg_alloc_table_from_pages(&p->table, p->page, p->n, 0, bytes, GFP_KERNEL);
	if (!err)
		return p;
fail:
	dmaeng_pages_free(p);
	return ERR_PTR(err);
}

/* Copies between the pages and a program's buffer. */
static int dmaeng_copy(struct dmaeng_pages *p, char __user *buf, size_t bytes, bool from_user)
{
	size_t done, n;

	for (done = 0; done < bytes; done += n) {
		void *page = page_address(p->page[done / PAGE_SIZE]);

		n = min_t(size_t, bytes - done, PAGE_SIZE);
		if (from_user ? copy_from_user(page, buf + done, n)
			      : copy_to_user(buf + done, page, n))
			return -EFAULT;
	}
	return 0;
}

static struct dmaeng *dmaeng_of(struct file *file)
{
	return container_of(file->private_data, struct dmaeng, misc);
}

/* Ends an asynchronous transfer that was not waited for. Under the channel's lock. */
static void dmaeng_settle(struct dmaeng *d, unsigned int c)
{
	if (d->channel[c].pending)
		dmaeng_wait(d, c);
	d->channel[c].pending = false;
}

static ssize_t dmaeng_transfer(struct dmaeng *d, unsigned int c, char __user *buf, size_t bytes,
			       loff_t *pos)
{
	struct dmaeng_pages *p;
	int err = 0;

	if (*pos < 0 || *pos >= d->memory_bytes || !bytes)
		return 0;
	bytes = min_t(size_t, bytes, d->memory_bytes - *pos);
	bytes = min_t(size_t, bytes, PAGES_AT_ONCE * PAGE_SIZE);
	p = dmaeng_pages_alloc(bytes);
	if (IS_ERR(p))
		return PTR_ERR(p);
	if (c == DMAENG_TO_CARD)
		err = dmaeng_copy(p, buf, bytes, true);
	if (!err && mutex_lock_interruptible(&d->channel[c].lock))
		err = -ERESTARTSYS;
	if (err)
		goto free;
	dmaeng_settle(d, c);
	err = dmaeng_move(d, c, &p->table, (u32)*pos);
	mutex_unlock(&d->channel[c].lock);
	if (!err && c == DMAENG_FROM_CARD)
		err = dmaeng_copy(p, buf, bytes, false);
free:
	sg_free_table(&p->table);
	dmaeng_pages_free(p);
	if (err)
		return err;
	*pos += bytes;
	return bytes;
}

static ssize_t dmaeng_fop_read(struct file *file, char __user *buf, size_t bytes, loff_t *pos)
{
	return dmaeng_transfer(dmaeng_of(file), DMAENG_FROM_CARD, buf, bytes, pos);
}

static ssize_t dmaeng_fop_write(struct file *file, const char __user *buf, size_t bytes,
				loff_t *pos)
{
	ssize_t n =
		dmaeng_transfer(dmaeng_of(file), DMAENG_TO_CARD, (char __user *)buf, bytes, pos);

	return n || !bytes ? n : -ENOSPC;
}

static loff_t dmaeng_fop_llseek(struct file *file, loff_t offset, int whence)
{
	return fixed_size_llseek(file, offset, whence, dmaeng_of(file)->memory_bytes);
}

/* Transfers a part of the buffer that mmap() maps. */
static long dmaeng_ioc_transfer(struct dmaeng *d, const struct dmaeng_transfer *t)
{
	struct dmaeng_channel *ch;
	int err = 0;

	if (t->direction > DMAENG_FROM_CARD || t->flags & ~DMAENG_ASYNC || !t->length ||
	    t->buffer > DMAENG_BUFFER_BYTES || t->length > DMAENG_BUFFER_BYTES - t->buffer ||
	    t->offset > d->memory_bytes || t->length > d->memory_bytes - t->offset)
		return -EINVAL;
	ch = &d->channel[t->direction];
	if (mutex_lock_interruptible(&ch->lock))
		return -ERESTARTSYS;
	dmaeng_settle(d, t->direction);
	dmaeng_put(ch, d->buffer_addr + t->buffer, t->offset, t->length);
	dmaeng_go(d, t->direction);
	if (t->flags & DMAENG_ASYNC)
		ch->pending = true;
	else
		err = dmaeng_wait(d, t->direction);
	mutex_unlock(&ch->lock);
	return err;
}

static long dmaeng_ioc_wait(struct dmaeng *d, unsigned long direction)
{
	struct dmaeng_channel *ch;
	int err = 0;

	if (direction > DMAENG_FROM_CARD)
		return -EINVAL;
	ch = &d->channel[direction];
	if (mutex_lock_interruptible(&ch->lock))
		return -ERESTARTSYS;
	if (ch->pending)
		err = dmaeng_wait(d, direction);
	ch->pending = false;
	mutex_unlock(&ch->lock);
	return err;
}

static void dmaeng_info(struct dmaeng *d, struct dmaeng_info *info)
{
	unsigned int c;

	info->memory_bytes = d->memory_bytes;
	info->buffer_bytes = DMAENG_BUFFER_BYTES;
	for (c = 0; c < CHANNELS; c++) {
		u32 base = REG_CHANNEL(c);

		info->bytes[c] = dmaeng_read(d, base + CH_BYTES_LO) |
				 (u64)dmaeng_read(d, base + CH_BYTES_HI) << 32;
		info->done[c] = dmaeng_read(d, base + CH_DONE);
	}
}

/* Resets both channels while no transfer runs. */
static long dmaeng_ioc_reset(struct dmaeng *d)
{
	unsigned int c;
	int err;

	for (c = 0; c < CHANNELS; c++) {
		mutex_lock(&d->channel[c].lock);
		dmaeng_settle(d, c);
	}
	err = dmaeng_reset(d);
	for (c = 0; c < CHANNELS; c++)
		dmaeng_start(d, c);
	dmaeng_write(d, REG_CONTROL, CONTROL_IRQ);
	while (c--)
		mutex_unlock(&d->channel[c].lock);
	return err;
}

static long dmaeng_fop_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct dmaeng *d = dmaeng_of(file);
	struct dmaeng_transfer t;
	struct dmaeng_info info = {};

	switch (cmd) {
	case DMAENG_IOC_INFO:
		dmaeng_info(d, &info);
		return copy_to_user((void __user *)arg, &info, sizeof(info)) ? -EFAULT : 0;
	case DMAENG_IOC_TRANSFER:
		if (copy_from_user(&t, (const void __user *)arg, sizeof(t)))
			return -EFAULT;
		return dmaeng_ioc_transfer(d, &t);
	case DMAENG_IOC_WAIT:
		return dmaeng_ioc_wait(d, arg);
	case DMAENG_IOC_RESET:
		return dmaeng_ioc_reset(d);
	}
	return -ENOTTY;
}

/*
 * Readable if no asynchronous transfer from the card is pending, writable if no asynchronous
 * transfer to the card is pending.
 */
static __poll_t dmaeng_fop_poll(struct file *file, struct poll_table_struct *table)
{
	struct dmaeng *d = dmaeng_of(file);
	__poll_t events = 0;
	unsigned int c;

	poll_wait(file, &d->wait, table);
	spin_lock_irq(&d->irq_lock);
	for (c = 0; c < CHANNELS; c++) {
		struct dmaeng_channel *ch = &d->channel[c];

		if (READ_ONCE(ch->pending) && !ch->causes)
			continue;
		events |= c == DMAENG_FROM_CARD ? EPOLLIN | EPOLLRDNORM : EPOLLOUT | EPOLLWRNORM;
		if (ch->causes & STATUS_ERRORS)
			events |= EPOLLERR;
	}
	spin_unlock_irq(&d->irq_lock);
	return events;
}

static int dmaeng_fop_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dmaeng *d = dmaeng_of(file);

	return dma_mmap_coherent(&d->pdev->dev, vma, d->buffer, d->buffer_addr,
				 DMAENG_BUFFER_BYTES);
}

const struct file_operations dmaeng_fops = {
	.owner = THIS_MODULE,
	.llseek = dmaeng_fop_llseek,
	.read = dmaeng_fop_read,
	.write = dmaeng_fop_write,
	.unlocked_ioctl = dmaeng_fop_ioctl,
	.poll = dmaeng_fop_poll,
	.mmap = dmaeng_fop_mmap,
};
