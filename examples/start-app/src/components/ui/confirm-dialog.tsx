import { Button } from './button'
import { Dialog, type DialogProps } from './dialog'

interface ConfirmDialogProps extends Omit<DialogProps, 'children'> {
  action: string
  onConfirm: () => void
}

/** Asks for confirmation of something that can't be undone. */
export default function ConfirmDialog({ action, onConfirm, ...dialog }: ConfirmDialogProps) {
  return (
    <Dialog {...dialog}>
      <div className="mt-5 flex justify-end gap-2">
        <Button onClick={dialog.onClose}>Cancel</Button>
        <Button
          variant="danger"
          data-testid="confirm"
          onClick={() => {
            onConfirm()
            dialog.onClose()
          }}
        >
          {action}
        </Button>
      </div>
    </Dialog>
  )
}
