import { later } from '#/lib/later'

export const TitleDialog = later(() => import('./title-dialog'))
export const ConfirmDialog = later(() => import('./confirm-dialog'))
